// What the block of relationships says, in both languages.
import { messages } from '../../lib/i18n/index.svelte.ts';

export const texts = messages(
  {
    title: '关系', hint: '伙伴在关系存续的时间内可以看到哪个客户（或经销商）的事件。', none: '还没有关系。', waitingOnly: '只看待确认', all: '全部', record: '登记关系', recordTitle: '登记关系', partner: '伙伴', manager: '客户经理', subject: '客户或经销商', customer: '客户', reseller: '经销商', period: '期间', tenants: '租户', evidence: '依据', state: '状态', actions: '操作',
    since: (from: string) => `${from} 起`, between: (from: string, to: string) => `${from} 至 ${to}`, waits: (period: string) => `待确认：${period}`, confirm: '确认', withdraw: '撤回', drop: '不采纳',
    confirmOf: (id: string) => `确认 ${id}`, withdrawOf: (id: string) => `撤回 ${id}`, dropOf: (id: string) => `不采纳 ${id} 的待确认更改`, confirmWhat: (partner: string, period: string) => `${partner} 将可以看到这段时间的事件：${period}。`, withdrawWhat: (partner: string) => `${partner} 不再看到这个关系的任何事件，包括过去的。`, dropWhat: '待确认的更改被放弃，期间保持不变。', done: (id: string) => `已处理：${id}`, recorded: (id: string) => `已登记：${id}`,
    missing: (kinds: string) => `缺少：${kinds}`, contradicts: (count: number) => `${count} 项相矛盾`,
    tenantsHint: '以逗号分隔；只有指名该客户的事件可见。', fromHint: (zone: string) => `时间，如 2026-06-01 08:00（${zone}）`, toHint: '留空为仍在存续', subjectKind: '种类', id: '编号', managerHint: '填写后只对该客户经理生效（可不填）', begins: '开始', ends: '结束', timeFault: '时间写法无法识别', more: '只显示前 1000 个', save: '登记', working: '正在执行…', cancel: '取消', failed: '没有执行', refresh: '刷新',
  },
  {
    title: 'Relationships', hint: 'Which customer’s (or reseller’s) events a partner sees, and of which time.', none: 'There are no relationships yet.', waitingOnly: 'Waiting only', all: 'All', record: 'Record a relationship', recordTitle: 'Record a relationship', partner: 'Partner', manager: 'Manager', subject: 'Customer or reseller', customer: 'Customer', reseller: 'Reseller', period: 'Period', tenants: 'Tenants', evidence: 'Evidence', state: 'State', actions: 'Actions',
    since: (from: string) => `since ${from}`, between: (from: string, to: string) => `${from} to ${to}`, waits: (period: string) => `waiting: ${period}`, confirm: 'Confirm', withdraw: 'Withdraw', drop: 'Drop',
    confirmOf: (id: string) => `Confirm ${id}`, withdrawOf: (id: string) => `Withdraw ${id}`, dropOf: (id: string) => `Drop what waits of ${id}`, confirmWhat: (partner: string, period: string) => `${partner} will see the events of this time: ${period}.`, withdrawWhat: (partner: string) => `${partner} will see none of the events of this relationship any more, those of the past included.`, dropWhat: 'What waits is dropped, and the period stays as it is.', done: (id: string) => `Done: ${id}`, recorded: (id: string) => `Recorded: ${id}`,
    missing: (kinds: string) => `missing: ${kinds}`, contradicts: (count: number) => `${count} contradict`,
    tenantsHint: 'Separated by commas; only events that name the customer are seen.', fromHint: (zone: string) => `A time, such as 2026-06-01 08:00 (${zone})`, toHint: 'Empty while it lasts', subjectKind: 'Kind', id: 'Id', managerHint: 'For this manager alone (may be left out)', begins: 'From', ends: 'Until', timeFault: 'This is no time', more: 'Only the first 1,000 are shown', save: 'Record', working: 'Working…', cancel: 'Cancel', failed: 'It was not done', refresh: 'Refresh',
  },
);

/** Where evidence comes from. */
export const kindWords = messages(
  { administrator: '管理员', snapshot: '名单比对', cooperation_trace: '操作事件', coupon_recall: '代金券回收', coupon_mode_switch: '模式切换回收', account_retrieval: '账户回收', budget_deletion: '预算删除' },
  { administrator: 'administrator', snapshot: 'lists compared', cooperation_trace: 'trace', coupon_recall: 'coupon recalled', coupon_mode_switch: 'mode switched', account_retrieval: 'amount taken back', budget_deletion: 'budget deleted' },
);

/** Whether a relationship is in force. */
export const stateWords = messages(
  { recorded: '生效', waiting: '待确认', withdrawn: '已撤回', unmatched: '尚无期间' },
  { recorded: 'in force', waiting: 'waiting', withdrawn: 'withdrawn', unmatched: 'no period yet' },
);
