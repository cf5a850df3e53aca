// What the block on tenants and relationships says, in both languages.
import { messages } from '../../lib/i18n/index.svelte.ts';

export const texts = messages(
  {
    title: '权威租户和客户租户', hint: '权威租户的事件是关系的依据；属于某个客户的租户，与该客户有关系的伙伴可以看到其全部事件。输入租户名查看。',
    tenant: '租户名', show: '查看', of: (name: string) => `租户 ${name}`, authoritative: '权威租户', yes: '是：它的事件可以改变关系', no: '否：它的事件不改变关系', partners: '涉及的伙伴', allPartners: '全部伙伴', customers: '属于客户', none: '没有', close: '关闭',
    edit: '更改', editOf: (name: string) => `更改 ${name} 与关系`, isAuthoritative: '它的事件是关系的依据（权威租户）', partnersHint: '每行一个，留空为全部；没有写明伙伴的依据属于第一个。', customersHint: '每行一个。与其中一个有关系的伙伴，在期间内可以看到这个租户的全部事件。',
    gains: '此后只有系统操作员和列明此租户为“可以送入依据”的身份可以送入记录，其他人的送入将被拒绝；已有的事件不是依据。', loses: '此后它的事件不再改变关系，有写入权限的身份都可以送入；已登记的关系保持不变。',
    save: '保存', working: '正在执行…', cancel: '取消', saved: (name: string) => `已保存：租户 ${name}`, unchanged: '没有更改', failed: '没有执行',
  },
  {
    title: 'Authoritative and customers’ tenants', hint: 'Events of authoritative tenants are evidence of relationships; all events of a tenant that belongs to a customer are seen by the partners that are related to the customer. Type the name of a tenant to see what it is.',
    tenant: 'Name of the tenant', show: 'Show', of: (name: string) => `The tenant ${name}`, authoritative: 'Authoritative', yes: 'Yes: its events move relationships', no: 'No: its events move no relationships', partners: 'For the partners', allPartners: 'all partners', customers: 'Belongs to the customers', none: 'none', close: 'Close',
    edit: 'Change', editOf: (name: string) => `Change what ${name} is to relationships`, isAuthoritative: 'Its events are evidence of relationships (authoritative)', partnersHint: 'One a line; empty for all. Evidence that names no partner is about the first.', customersHint: 'One a line. Partners that are related to one of them see all events of this tenant, of the time of the relationship.',
    gains: 'From then on only the operator and principals that deliver evidence to this tenant by name may deliver to it, and anybody else is refused; events that are there already are no evidence.', loses: 'From then on its events move no relationships, and whoever has the role may deliver to it; relationships that are recorded stay.',
    save: 'Save', working: 'Working…', cancel: 'Cancel', saved: (name: string) => `Saved: the tenant ${name}`, unchanged: 'Nothing was changed', failed: 'It was not done',
  },
);
