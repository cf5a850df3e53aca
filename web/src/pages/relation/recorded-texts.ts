// What the part on recorded relationships says, in both languages.
import { messages, plural } from '../../lib/i18n/index.svelte.ts';

export const texts = messages(
  {
    title: '登记的关系', hint: '由安全管理员登记，或由权威租户的事件证明：伙伴在期间内可以看到指名该客户的事件。', derived: '以下由事件推断，不决定谁能看到什么。',
    none: '没有登记这个客户的关系。', nonePartner: (partner: string) => `没有登记 ${partner} 与这个客户的关系。`, nonePart: '在您能完整看到的租户中，没有登记这个客户的关系。一个关系只显示给能看到其全部租户的全部事件的人。',
    denied: '您的角色不允许查看登记的关系。伙伴可以看到自己的关系，审计员可以看到其租户的关系；需要时请联系安全管理员。',
    partner: '伙伴', manager: '客户经理', period: '期间', tenants: '租户', missing: '缺少的依据', missingNote: '关系结束时会留下，但没有从权威租户收到', contradicts: '相矛盾', waiting: '待管理员确认', waitingNew: '整个期间待确认，确认前不显示任何事件。', waitingChange: (period: string) => `期间将改为：${period}`, decide: '到访问权限页处理',
    withdrawn: '管理员已撤回：不显示任何事件。', unmatched: '有结束的依据，但不知道何时开始：不显示任何事件。',
    evidence: '依据', evidenceOf: (id: string) => `${id} 的依据`, count: (count: number) => `${count} 项`, noEvidence: '没有依据', kind: '种类', says: '内容', at: '时间', notAfter: (time: string) => `至迟 ${time}`, effect: '作用', tenant: '租户', source: '来源', known: '得知', by: (name: string) => `由 ${name}`, openEvent: (id: string) => `打开事件 ${id}`, more: '关系太多，只显示了一部分',
  },
  {
    title: 'Recorded relationships', hint: 'As a security administrator recorded them, or events of authoritative tenants prove them: during a period its partner sees the events that name the customer.', derived: 'What follows is inferred from events, and does not decide who sees what.',
    none: 'No relationship of this customer is recorded.', nonePartner: (partner: string) => `No relationship of ${partner} with this customer is recorded.`, nonePart: 'In the tenants that you see whole, no relationship of this customer is recorded. A relationship is shown to those who see all events of all of its tenants.',
    denied: 'Your roles do not permit you to see what is recorded. Partners see their own relationships, and auditors those of their tenants; if you need them, ask a security administrator.',
    partner: 'Partner', manager: 'Manager', period: 'Period', tenants: 'Tenants', missing: 'Missing evidence', missingNote: 'an end leaves it behind, and none came from an authoritative tenant', contradicts: 'Contradicts', waiting: 'Waits for an administrator', waitingNew: 'The whole period waits, and shows no event until it is confirmed.', waitingChange: (period: string) => `The period would be: ${period}`, decide: 'Decide on the page of access',
    withdrawn: 'An administrator has withdrawn it: it shows no event.', unmatched: 'There is evidence of its end, and its beginning is not known: it shows no event.',
    evidence: 'Evidence', evidenceOf: (id: string) => `Evidence of ${id}`, count: (count: number) => `${count} ${plural(count, 'piece', 'pieces')}`, noEvidence: 'There is no evidence', kind: 'Kind', says: 'Says', at: 'When', notAfter: (time: string) => `${time} at the latest`, effect: 'What came of it', tenant: 'Tenant', source: 'Source', known: 'Known', by: (name: string) => `by ${name}`, openEvent: (id: string) => `Open the event ${id}`, more: 'There are too many: only some are shown',
  },
);
