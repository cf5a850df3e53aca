// Relationships and their evidence in words: on the page of access, and on that of a customer.
import { messages } from '../i18n/index.svelte.ts';
import { showTime } from '../time/zone.ts';
import type { Relationship, RelationshipEvidence } from './types.ts';
import { comma } from './words.ts';

/** Where evidence comes from. */
export const kindWords = messages(
  { administrator: '管理员', snapshot: '名单比对', cooperation_trace: '操作事件', coupon_recall: '代金券回收', coupon_mode_switch: '模式切换回收', account_retrieval: '账户回收', budget_deletion: '预算删除' } satisfies Record<RelationshipEvidence['kind'], string>,
  { administrator: 'administrator', snapshot: 'lists compared', cooperation_trace: 'trace', coupon_recall: 'coupon recalled', coupon_mode_switch: 'mode switched', account_retrieval: 'amount taken back', budget_deletion: 'budget deleted' },
);

/** Whether a relationship is in force. */
export const stateWords = messages(
  { recorded: '生效', waiting: '待确认', withdrawn: '已撤回', unmatched: '尚无期间' } satisfies Record<Relationship['state'], string>,
  { recorded: 'in force', waiting: 'waiting', withdrawn: 'withdrawn', unmatched: 'no period yet' },
);

/** What evidence says. */
export const saysWords = messages(
  { began: '开始', ended: '结束', may_have_ended: '结束或切换模式', switched: '切换模式' } satisfies Record<RelationshipEvidence['says'], string>,
  { began: 'it began', ended: 'it ended', may_have_ended: 'it ended, or its mode changed', switched: 'its mode changed' },
);

/** What came of evidence. */
export const effectWords = messages(
  { moved: '据此确定期间', agrees: '与期间一致', waits: '待管理员确认', contradicts: '与期间矛盾', alone: '单独不足为据', unmatched: '尚无期间可对应' } satisfies Record<RelationshipEvidence['effect'], string>,
  { moved: 'the period follows it', agrees: 'agrees with the period', waits: 'waits for an administrator', contradicts: 'contradicts the period', alone: 'not enough by itself', unmatched: 'no period known for it' },
);

const spanWords = messages(
  { since: (from: string) => `${from} 起，仍在存续`, between: (from: string, to: string) => `${from} 至 ${to}`, ended: (to: string) => `${to} 结束，开始时间未知` },
  { since: (from: string) => `since ${from}, and lasts`, between: (from: string, to: string) => `${from} to ${to}`, ended: (to: string) => `ended ${to}; its beginning is not known` },
);

/** Kinds of evidence, each once. */
export const kindsWord = (kinds: readonly RelationshipEvidence['kind'][]): string => [...new Set(kinds)].map((kind) => kindWords()[kind] ?? kind).join(comma());

/** A period, in words. */
export function spanWord({ from, to }: { from: string; to?: string }, zone: string, style: 'minute' | 'full' = 'full'): string {
  const time = (text: string): string => showTime(Date.parse(text), zone, style);
  return to === undefined ? spanWords().since(time(from)) : spanWords().between(time(from), time(to));
}

/** The period of a relationship; of one that has none yet, the end that was stated. */
export const periodWord = (one: Relationship, zone: string, style: 'minute' | 'full' = 'full'): string =>
  (one.state === 'unmatched' ? spanWords().ended(showTime(Date.parse(one.to ?? one.from), zone, style)) : spanWord(one, zone, style));

/** Whether something of it waits for an administrator. */
export const isWaiting = (one: Relationship): boolean => one.state === 'waiting' || one.waiting !== undefined;
