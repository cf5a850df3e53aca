// What the page of access says, in both languages.
import { messages, number } from '../../lib/i18n/index.svelte.ts';

export const texts = messages(
  {
    title: '访问权限', openNote: '无需登录：本机所有调用者都是管理员。这里的设置在服务器要求登录后生效。', openTrail: '查看审计轨迹', trailHint: '每次更改都记入审计轨迹。',
    principals: '身份', principalsHint: '谁可以登录或调用接口，可以做什么，可以看到什么。', none: '还没有身份。', create: '新建身份', name: '名称', roles: '角色', tenants: '租户', sees: '可见范围', actions: '操作', you: '您自己',
    edit: '编辑', remove: '移除', tokens: '令牌', tokensOf: (name: string) => `${name} 的令牌`, editOf: (name: string) => `编辑 ${name}`, removeOf: (name: string) => `移除 ${name}`, showTokens: (name: string) => `查看 ${name} 的令牌`, removeSelf: '不能移除自己',
    nameHint: '令牌、会话和审计轨迹都以它为名，以后不能更改。', tenantsHint: '以逗号分隔；* 为全部租户。', addTenants: '添加租户', addTenant: (name: string) => `添加租户 ${name}`, limits: '只能看到一部分（可不设）', rows: '只看符合这些条件的事件', rowsHint: '每行一个 名称=值，如 source=ECS；或 JSON 形式的条件组。', rowsFault: (where: string) => `无法识别：${where}`,
    identities: '身份提供方的身份（可不设）', identitiesHint: '每行一个：oidc:sub:编号、oidc:email:邮箱 或 oidc:group:群组，逐字比较。每个只属于一个身份。',
    masks: '遮盖字段', masksHint: '有遮盖字段的身份不能按文本搜索，也看不到原始记录。', addMask: '添加字段', field: '字段', how: '方式', dropMask: (field: string) => `不再遮盖 ${field}`, from: '从', to: '到', timeHint: (zone: string) => `时间，如 2026-06-01 08:00（${zone}）；留空为不限`, timeFault: '时间写法无法识别', timeRead: (time: string) => `= ${time}`,
    save: '保存', cancel: '取消', close: '关闭', working: '正在执行…', saved: (name: string) => `已保存：${name}`, created: (name: string) => `已新建：${name}。现在可以为它创建令牌。`, removed: (name: string) => `已移除：${name}`, unchanged: '没有更改', wantName: '请填写名称', wantRole: '请至少选择一个角色',
    disable: '停用', enable: '启用', disableOf: (name: string) => `停用 ${name}`, enableOf: (name: string) => `启用 ${name}`, isDisabled: '已停用', disabledHint: '不接受它的任何凭据', disableSelf: '不能停用自己', disabled: (name: string) => `已停用：${name}`, enabled: (name: string) => `已启用：${name}`,
    disableWhat: (name: string) => `${name} 的令牌、访问密钥、证书和会话立即不再被接受，正在进行的操作也会结束。这些凭据和设置都保留，重新启用后可继续使用。`, enableWhat: (name: string) => `${name} 未过期、未吊销的凭据将重新被接受。`,
    removeWhat: (name: string) => `${name} 的全部令牌和会话立即失效，此后以它的名义不能再登录。审计轨迹中它做过的事仍然保留。`, typeName: '输入名称以确认：',
    tokensHint: '令牌只在创建时显示一次；服务器只保存它的哈希。', noTokens: '没有令牌：还不能登录。', createToken: '创建令牌', expiresIn: '有效期', days: (count: number) => `${number(count)} 天`, hours: (count: number) => `${number(count)} 小时`, never: '不过期', otherSpan: '其他…', span: '时长', spanHint: '如 12h、45d', neverWarn: '不过期的令牌一旦泄露，直到被吊销前都可使用。', note: '备注', noteHint: '用在哪里，给谁（可不填）',
    once: '这个令牌只显示这一次', onceWarn: '现在就复制并妥善保管：关闭后无法再看到它，丢失只能重新创建。不要写进脚本、聊天或网址。', token: '令牌', copy: '复制令牌', copied: '已复制', copyFailed: '浏览器不允许复制，请选中后手动复制', expires: (when: string) => `到期：${when}`, neverExpires: '不过期', notCopied: '还没有复制。再次关闭将丢失这个令牌。',
    id: '编号', createdAt: '创建', by: (who: string) => `由 ${who}`, expiry: '到期', lastUsed: '最近使用', unused: '从未使用', expired: '已过期', revoke: '吊销', revokeOf: (id: string) => `吊销令牌 ${id}`, revokeWhat: (name: string) => `使用这个令牌的程序和由它登录的会话立即失效。${name} 的其他令牌不受影响。`, revoked: '已吊销令牌',
    sessions: '会话', sessionsHint: '现在登录着的浏览器。', noSessions: '现在没有人登录。', who: '身份', began: '登录时间', address: '地址', end: '结束', endOf: (name: string) => `结束 ${name} 的会话`, endWhat: (name: string) => `${name} 须重新登录才能继续；令牌仍然有效，要阻止再次登录，请吊销令牌。`, ended: '已结束会话',
    refresh: '刷新', failedAction: '没有执行', trailOnly: '审计轨迹', noEvents: '不查看事件',
  },
  {
    title: 'Access', openNote: 'No sign-in: every caller on this machine is an administrator. What is set here takes effect when the server asks who one is.', openTrail: 'Read the audit trail', trailHint: 'Every change is recorded in the audit trail.',
    principals: 'Principals', principalsHint: 'Who may sign in or call the API, to do what, and to see what.', none: 'There are no principals yet.', create: 'New principal', name: 'Name', roles: 'Roles', tenants: 'Tenants', sees: 'Sees', actions: 'Actions', you: 'yourself',
    edit: 'Edit', remove: 'Remove', tokens: 'Tokens', tokensOf: (name: string) => `Tokens of ${name}`, editOf: (name: string) => `Edit ${name}`, removeOf: (name: string) => `Remove ${name}`, showTokens: (name: string) => `Show the tokens of ${name}`, removeSelf: 'You cannot remove yourself',
    nameHint: 'Tokens, sessions and the audit trail have this name; it cannot be changed later.', tenantsHint: 'Separated by commas; * for all tenants.', addTenants: 'Add a tenant', addTenant: (name: string) => `Add the tenant ${name}`, limits: 'Only a part of the events (may be left out)', rows: 'Only events with these conditions', rowsHint: 'One name=value a line, such as source=ECS; or a filter in JSON.', rowsFault: (where: string) => `Not understood: ${where}`,
    identities: 'At the OpenID provider (may be left out)', identitiesHint: 'One a line: oidc:sub: and a subject, oidc:email: and a verified address, or oidc:group: and a group, letter by letter. Each is of one principal only.',
    masks: 'Masked fields', masksHint: 'Who has masked fields cannot search in texts and does not see records as received.', addMask: 'Add a field', field: 'Field', how: 'How', dropMask: (field: string) => `Do not mask ${field}`, from: 'From', to: 'Until', timeHint: (zone: string) => `A time, such as 2026-06-01 08:00 (${zone}); empty for no limit`, timeFault: 'This is no time', timeRead: (time: string) => `= ${time}`,
    save: 'Save', cancel: 'Cancel', close: 'Close', working: 'Working…', saved: (name: string) => `Saved: ${name}`, created: (name: string) => `Created: ${name}. Now it can have a token.`, removed: (name: string) => `Removed: ${name}`, unchanged: 'Nothing was changed', wantName: 'It needs a name', wantRole: 'Choose at least one role',
    disable: 'Disable', enable: 'Enable', disableOf: (name: string) => `Disable ${name}`, enableOf: (name: string) => `Enable ${name}`, isDisabled: 'disabled', disabledHint: 'None of its credentials is accepted', disableSelf: 'You cannot disable yourself', disabled: (name: string) => `Disabled: ${name}`, enabled: (name: string) => `Enabled: ${name}`,
    disableWhat: (name: string) => `Tokens, access keys, certificates and sessions of ${name} are not accepted from now on, and what is under way ends. They and its settings stay, for when it is enabled again.`, enableWhat: (name: string) => `Credentials of ${name} that have not expired and were not revoked are accepted again.`,
    removeWhat: (name: string) => `All tokens and sessions of ${name} end at once, and nobody can sign in by this name any more. What it did stays in the audit trail.`, typeName: 'Type the name to confirm: ',
    tokensHint: 'A token is shown once, when it is made; the server keeps only a hash of it.', noTokens: 'There are no tokens: nobody can sign in by this name yet.', createToken: 'New token', expiresIn: 'Valid for', days: (count: number) => `${number(count)} days`, hours: (count: number) => `${number(count)} hours`, never: 'It does not expire', otherSpan: 'Another span…', span: 'Span', spanHint: 'Such as 12h or 45d', neverWarn: 'A token that does not expire works for whoever finds it, until it is revoked.', note: 'Note', noteHint: 'Where it is used, and by whom (may be left out)',
    once: 'This token is shown only this once', onceWarn: 'Copy it now and keep it safe: it cannot be seen again when this is closed, and one that is lost must be made anew. Keep it out of scripts, chats and addresses.', token: 'Token', copy: 'Copy the token', copied: 'Copied', copyFailed: 'The browser does not allow copying: select it and copy it by hand', expires: (when: string) => `Expires ${when}`, neverExpires: 'Does not expire', notCopied: 'It has not been copied. Close again to lose this token.',
    id: 'Id', createdAt: 'Created', by: (who: string) => `by ${who}`, expiry: 'Expires', lastUsed: 'Last used', unused: 'never', expired: 'expired', revoke: 'Revoke', revokeOf: (id: string) => `Revoke the token ${id}`, revokeWhat: (name: string) => `Programs that use this token, and sessions that began with it, end at once. Other tokens of ${name} stay.`, revoked: 'The token is revoked',
    sessions: 'Sessions', sessionsHint: 'Browsers that are signed in now.', noSessions: 'Nobody is signed in.', who: 'Principal', began: 'Signed in', address: 'Address', end: 'End', endOf: (name: string) => `End the session of ${name}`, endWhat: (name: string) => `${name} must sign in again to go on. The token stays valid: to keep it from signing in, revoke the token.`, ended: 'The session is ended',
    refresh: 'Refresh', failedAction: 'It was not done', trailOnly: 'the audit trail', noEvents: 'no events',
  },
);

/** What each role is for, in a line. */
export const roleNotes = messages(
  {
    reader: '查询所属租户的事件', auditor: '同上，并可导出、查看隔离区', tenant_administrator: '同上，并可设定所属租户的保留期和法律保全', ingest: '为所属租户写入记录，不查看事件', system_administrator: '存储状态、备份、全部租户的保留期，不查看事件', security_administrator: '管理身份、令牌、会话和伙伴关系，不查看事件', audit_administrator: '查看审计轨迹：谁做了什么',
  },
  {
    reader: 'asks about the events of its tenants', auditor: 'the same, and exports and sees quarantine', tenant_administrator: 'the same, and sets retention and legal holds of its tenants', ingest: 'sends records for its tenants and reads no events', system_administrator: 'state, backups, retention of all tenants; no events', security_administrator: 'principals, tokens, sessions and relationships; no events', audit_administrator: 'reads the audit trail: who did what',
  },
);
