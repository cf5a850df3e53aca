// Roles, tenants and limits in words: of oneself in the head, of others on the page of access.
import { fields } from '../fields.svelte.ts';
import { conditionWord } from '../filter/labels.ts';
import { isAskable, fromPairs } from '../filter/url.ts';
import { locale, messages } from '../i18n/index.svelte.ts';
import { showTime } from '../time/zone.ts';
import { momentMs } from '../time/period.ts';
import type { Failure } from './fragment.ts';
import { pairsOfRows } from './rows.ts';
import type { Grant, Mask, Role } from './types.ts';

export const accessWords = messages(
  {
    signIn: '登录', token: '访问令牌', tokenHint: '以 annals_ 开头，由安全管理员发给您。只发送给本服务器，页面不保存它。', showToken: '显示令牌', hideToken: '隐藏令牌', signingIn: '正在登录…', empty: '请输入或粘贴访问令牌',
    refused: (detail: string) => `未能登录：${detail}`, failed: '未能登录', left: '已退出。要继续，请再次登录。', needed: '需要登录才能查看这个页面。登录后回到您要打开的地址。', signedInAs: (name: string) => `已登录：${name}`, atProvider: '通过以下身份提供方登录：',
    endedTitle: '会话已结束', ended: '页面和已输入的内容都还在。用同一身份登录后继续；换一个身份登录会重新载入页面。', endedAs: (name: string) => `此前的身份：${name}`, endedBanner: '会话已结束：下面的内容不再更新，更改不会保存。', later: '稍后再说',
    offerTitle: '这个链接带有另一个令牌', offer: (name: string) => `您已登录为 ${name}。链接中的令牌可能属于他人，登录后您的操作将记在那个身份名下。`, offerTake: '用链接中的令牌登录', offerKeep: (name: string) => `保持 ${name}`,
    who: (name: string) => `当前身份：${name}`, roles: '角色', tenants: '租户', allTenants: '全部租户', noTenants: '没有租户', noRoles: '没有角色', signOut: '退出登录', signingOut: '正在退出…', open: '无需登录', openLong: '无需登录：本机所有调用者都是管理员',
    partly: '仅部分', onlyPart: '仅可见一部分：', ofPart: '您只能看到一部分事件。以下金额、余额与次数只据这一部分：', everything: '这些租户的全部事件', rows: (what: string) => `仅 ${what}`, masked: (field: string, how: string) => `${field}：${how}`, from: (time: string) => `仅 ${time} 起`, to: (time: string) => `仅至 ${time}`, between: (from: string, to: string) => `仅 ${from} 至 ${to}`,
    partner: (partner: string) => `伙伴 ${partner} 的关系所及，限关系存续的时间`, manager: (partner: string, manager: string) => `伙伴 ${partner} 的客户经理 ${manager} 名下的客户，限指派的时间`,
    unknown: '身份未知：服务器没有回答', isMasked: '已遮盖', maskedTitle: (how: string) => `已遮盖：${how}`, noText: (names: string) => `不能按文本搜索：${names} 对您遮盖，而文本中会出现它们的值。`, noRecord: '原始记录不显示：其中有对您遮盖的值。',
    printedBy: (name: string) => `由 ${name} 打印`,
    forbidden: '您不能查看事件', forbiddenStore: '您不能查看存储状态', forbiddenAccess: '您不能管理访问权限', forbiddenTrail: '您不能查看审计轨迹', forbiddenWhy: (roles: string) => `您的角色（${roles}）不包括这一页。`, mayDo: '您可以：', nothing: '这个身份没有可用的页面：它用于写入记录。', askFor: '需要更多权限，请联系安全管理员。',
    toStore: '查看存储状态', toAccess: '管理访问权限', toTrail: '查看审计轨迹', toEvents: '查看事件', trail: '审计轨迹',
  },
  {
    signIn: 'Sign in', token: 'Access token', tokenHint: 'Begins with annals_; a security administrator gives it to you. It is sent to this server only, and the page does not keep it.', showToken: 'Show the token', hideToken: 'Hide the token', signingIn: 'Signing in…', empty: 'Type or paste the access token',
    refused: (detail: string) => `Not signed in: ${detail}`, failed: 'Not signed in', left: 'You have signed out. Sign in again to go on.', needed: 'This page is for those who have signed in. You will be at the address that you opened.', signedInAs: (name: string) => `Signed in as ${name}`, atProvider: 'Sign in with',
    endedTitle: 'The session has ended', ended: 'The page and what you have typed are still here. Sign in as the same principal to go on; as another one, the page is loaded anew.', endedAs: (name: string) => `You were ${name}`, endedBanner: 'The session has ended: what is below is not renewed, and changes are not saved.', later: 'Later',
    offerTitle: 'This link has a token of its own', offer: (name: string) => `You are signed in as ${name}. The token of the link may be somebody else’s: what you do then is recorded under that name.`, offerTake: 'Sign in with it', offerKeep: (name: string) => `Stay ${name}`,
    who: (name: string) => `You are ${name}`, roles: 'Roles', tenants: 'Tenants', allTenants: 'All tenants', noTenants: 'no tenant', noRoles: 'no role', signOut: 'Sign out', signingOut: 'Signing out…', open: 'No sign-in', openLong: 'No sign-in: every caller on this machine is an administrator',
    partly: 'a part', onlyPart: 'Only a part is visible: ', ofPart: 'You see a part of the events. Amounts, balances and counts are of this part alone:', everything: 'all events of these tenants', rows: (what: string) => `only ${what}`, masked: (field: string, how: string) => `${field}: ${how}`, from: (time: string) => `only from ${time}`, to: (time: string) => `only until ${time}`, between: (from: string, to: string) => `only ${from} to ${to}`,
    partner: (partner: string) => `what the relationships of ${partner} show, while they last`, manager: (partner: string, manager: string) => `customers assigned to the manager ${manager} of ${partner}, while they are`,
    unknown: 'Who you are is not known: the server did not answer', isMasked: 'masked', maskedTitle: (how: string) => `Masked: ${how}`, noText: (names: string) => `No text search: ${names} is masked for you, and texts would show its values.`, noRecord: 'The record is not shown: it has values that are masked for you.',
    printedBy: (name: string) => `printed by ${name}`,
    forbidden: 'You may not read events', forbiddenStore: 'You may not see the state of the store', forbiddenAccess: 'You may not administer access', forbiddenTrail: 'You may not read the audit trail', forbiddenWhy: (roles: string) => `Your roles (${roles}) do not include this page.`, mayDo: 'You may:', nothing: 'There is no page for this principal: it is for sending records.', askFor: 'For more, ask a security administrator.',
    toStore: 'See the state of the store', toAccess: 'Administer access', toTrail: 'Read the audit trail', toEvents: 'Read events', trail: 'Trail',
  },
);

const roleWords = messages(
  {
    ingest: '写入', reader: '读者', auditor: '审计员', tenant_administrator: '租户管理员', system_administrator: '系统管理员', security_administrator: '安全管理员', audit_administrator: '审计管理员',
  } satisfies Record<Role, string>,
  {
    ingest: 'Ingest', reader: 'Reader', auditor: 'Auditor', tenant_administrator: 'Tenant administrator', system_administrator: 'System administrator', security_administrator: 'Security administrator', audit_administrator: 'Audit administrator',
  },
);

const maskWords = messages(
  { hide: '不显示', hash: '以哈希代替', last4: '只留末四位' } satisfies Record<Mask, string>,
  { hide: 'not shown', hash: 'replaced by a hash', last4: 'only the last four characters' },
);

const failureWords = messages(
  {
    denied: '身份提供方没有允许登录，或登录已取消。', expired: '登录用时超过十分钟，或是在另一个浏览器、另一个地址开始的。请从这里重新登录。', unavailable: '身份提供方没有回答。请稍后再试。', failed: '身份提供方的回答不可信。服务器日志中有原因。',
    unknown: '这里没有您的身份。请联系安全管理员；服务器日志中有身份提供方给出的名称。', several: '您的组属于不同的身份。请联系安全管理员。',
  } satisfies Record<Failure, string>,
  {
    denied: 'the provider did not permit it, or it was cancelled.', expired: 'it took longer than ten minutes, or began in another browser or at another address of this server. Sign in again from here.', unavailable: 'the provider does not answer. Try again later.', failed: 'the answer of the provider cannot be believed. The server’s log says why.',
    unknown: 'you are not known here. Ask a security administrator; the server’s log has what the provider calls you.', several: 'your groups are those of several principals. Ask a security administrator.',
  } satisfies Record<Failure, string>,
);

export const failureWord = (failure: Failure): string => failureWords()[failure];
export const comma = (): string => (locale.lang === 'zh' ? '、' : ', ');
export const roleWord = (role: string): string => (roleWords() as Record<string, string>)[role] ?? role;
export const rolesWord = (roles: readonly string[]): string => (roles.length === 0 ? accessWords().noRoles : roles.map(roleWord).join(comma()));
export const maskWord = (how: string): string => (maskWords() as Record<string, string>)[how] ?? how;

export function tenantsWord(tenants: readonly string[]): string {
  if (tenants.includes('*')) return accessWords().allTenants;
  return tenants.length === 0 ? accessWords().noTenants : tenants.join(comma());
}

/** A filter of rows in words, if it is one of plain conditions; else its JSON. */
function rowsWord(rows: Record<string, unknown>): string {
  const pairs = pairsOfRows(rows);
  const filter = pairs === null ? null : fromPairs(pairs);
  if (filter === null || !isAskable(filter) || filter.period.kind !== 'all') return JSON.stringify(rows);
  return filter.conditions.map(conditionWord).join(locale.lang === 'zh' ? '；' : '; ');
}

/** What limits a principal, one thing each. */
export function limitWords(grant: Grant, zone: string): string[] {
  const words = accessWords();
  const time = (text: string): string => {
    const ms = momentMs(text);
    return ms === null ? text : showTime(ms, zone, 'minute');
  };
  const { rows, masks = {}, from, to, partner, manager } = grant;
  const related = partner === undefined ? [] : [manager === undefined ? words.partner(partner) : words.manager(partner, manager)];
  const period = from !== undefined && to !== undefined ? [words.between(time(from), time(to))] : from !== undefined ? [words.from(time(from))] : to !== undefined ? [words.to(time(to))] : [];
  return [
    ...related, ...(rows === undefined ? [] : [words.rows(rowsWord(rows))]), ...period,
    ...Object.entries(masks).map(([field, how]) => words.masked(fields.label(field), maskWord(how))),
  ];
}
