// What the form of a principal says of partners, certificates and limits, in both languages.
import { messages, number } from '../../lib/i18n/index.svelte.ts';
import type { CallLimits } from '../../lib/access/types.ts';
import { comma } from '../../lib/access/words.ts';
import { LIMITS } from './form.ts';

export const texts = messages(
  {
    certificates: '客户端证书（可不设）', certificatesHint: '每行一个：cn:通用名、dns:、uri:、email: 或 sha256:证书哈希。每个只属于一个身份。',
    partnerTitle: '伙伴关系（可不设）', partner: '所属伙伴', partnerHint: '可以看到该伙伴的关系所及的事件，只限关系存续的时间；租户可留空。', manager: '客户经理', managerHint: '只看到指派给这位客户经理的客户。', distributor: '该伙伴是总经销商：可以通过伙伴中心的接口读取额度记录',
    authoritative: '可以送入依据的权威租户', authoritativeHint: '以逗号分隔，须是它自己的租户；送入的事件可以改变伙伴关系。需要“写入”角色，且不属于任何伙伴。',
    limits: '使用上限（可不设）', limitsHint: '留空则按服务器对每个身份的规定。', limitFault: '须为 1 至 4,294,967,295 的整数', none: '按服务器规定',
    mayDeliver: (tenants: string) => `可送入依据：${tenants}`, isDistributor: '总经销商', uses: (what: string) => `上限：${what}`, limit: (name: string, value: string) => `${name} ${value}`,
  },
  {
    certificates: 'Client certificates (may be left out)', certificatesHint: 'One a line: cn: and a common name, dns:, uri:, email:, or sha256: and the hash of a certificate. Each is of one principal only.',
    partnerTitle: 'Partner (may be left out)', partner: 'Belongs to the partner', partnerHint: 'It sees what the relationships of this partner show, for the time that they last; it needs no tenants.', manager: 'Manager', managerHint: 'It sees the customers that were assigned to this manager alone.', distributor: 'The partner is a distributor: it may read records of quotas by the API of the partner centre',
    authoritative: 'Delivers evidence to the authoritative tenants', authoritativeHint: 'Separated by commas; tenants of its own, whose events move relationships. It needs the role Ingest and no partner.',
    limits: 'What it may use (may be left out)', limitsHint: 'Empty for what the server grants every principal.', limitFault: 'It is a whole number from 1 to 4,294,967,295', none: 'as the server grants',
    mayDeliver: (tenants: string) => `delivers evidence to ${tenants}`, isDistributor: 'distributor', uses: (what: string) => `uses at most: ${what}`, limit: (name: string, value: string) => `${name} ${value}`,
  },
);

/** What each limit is of. */
const limitNames = messages(
  { requests: '请求/秒', questions: '同时查询和导出', bytes_in: '写入字节/秒', rows_out: '读出事件/秒' } satisfies Record<keyof CallLimits, string>,
  { requests: 'Requests a second', questions: 'Questions and exports at a time', bytes_in: 'Bytes delivered a second', rows_out: 'Events answered a second' },
);
export const limitName = (name: keyof CallLimits): string => limitNames()[name];

/** The limits of a principal in words; null if it has none of its own. */
export function usesWord(limits: CallLimits | undefined): string | null {
  const own = LIMITS.flatMap((name) => (limits?.[name] === undefined ? [] : [texts().limit(limitName(name), number(limits[name]))]));
  return own.length === 0 ? null : texts().uses(own.join(comma()));
}
