// The words of the frame around every page.
import { messages } from '../i18n/index.svelte.ts';

export const shellWords = messages(
  {
    events: '事件', dashboards: '仪表盘', quota: '额度', relation: '客户关系', store: '存储', access: '访问权限', trail: '审计轨迹', nav: '主导航', skip: '跳到内容',
    tenant: '租户', allTenants: '全部租户', ownTenants: '我的全部租户', tenantHint: '租户名称', zone: '时区', language: 'English', languageLabel: 'Switch to English', theme: '主题', system: '跟随系统', light: '浅色', dark: '深色', help: '键盘与帮助', menu: '菜单',
    period: '时间范围', conditions: '条件', noConditions: '无', printedAt: '打印于', browserZone: '浏览器时区', missing: '没有这个页面', toEvents: '打开事件列表', failed: '页面未能载入', reload: '重新载入',
    letters: '启用单字母快捷键', keysTitle: '键盘', filterTitle: '条件怎么写',
  },
  {
    events: 'Events', dashboards: 'Dashboards', quota: 'Quotas', relation: 'Customers', store: 'Store', access: 'Access', trail: 'Trail', nav: 'Main', skip: 'Skip to content',
    tenant: 'Tenant', allTenants: 'All tenants', ownTenants: 'All my tenants', tenantHint: 'Name of a tenant', zone: 'Time zone', language: '中文', languageLabel: '切换到中文', theme: 'Theme', system: 'As the system', light: 'Light', dark: 'Dark', help: 'Keyboard and help', menu: 'Menu',
    period: 'Period', conditions: 'Conditions', noConditions: 'none', printedAt: 'printed', browserZone: 'Zone of this browser', missing: 'There is no such page', toEvents: 'Open the event list', failed: 'The page could not be loaded', reload: 'Load again',
    letters: 'Single-letter keys are on', keysTitle: 'Keyboard', filterTitle: 'Writing conditions',
  },
);

/** Keys and what they do, for the help. */
export const keyList = messages(
  {
    list: [['/', '输入文本条件'], ['t', '选择时间范围'], ['j k ↓ ↑', '下一条、上一条'], ['Enter', '打开事件；在单元格上：值菜单'], ['← →', '在一行的单元格间移动'], ['Home End', '最新、最早'], ['PgUp PgDn', '翻页'], ['Esc', '关闭面板，回到列表'], ['?', '这份帮助']].map((row) => row.join('\t')).join('\n'),
    text: [['quota 回收', '记录中的词，顺序与大小写不限，须全部出现'], ['"rollback after"', '短语，按原样出现'], ['request.name:ecs*', '记录中某路径的值；* 代表任意文字'], ['企业', '中文在任意位置都能找到'], ['点击任意值', '仅此值、排除、以此开头、复制'], ['条件标签', '点开可取反、停用、编辑']].map((row) => row.join('\t')).join('\n'),
  },
  {
    list: [['/', 'Type a text condition'], ['t', 'Choose the period'], ['j k ↓ ↑', 'Next and previous event'], ['Enter', 'Open the event; on a cell, its menu'], ['← →', 'Move between the cells of a row'], ['Home End', 'Newest and oldest'], ['PgUp PgDn', 'A screen up or down'], ['Esc', 'Close the panel, back to the list'], ['?', 'This help']].map((row) => row.join('\t')).join('\n'),
    text: [['quota recall', 'Words of the record in any order and case; all must be there'], ['"rollback after"', 'A phrase as it stands'], ['request.name:ecs*', 'The value at a path of the record; * is any text'], ['企业', 'Chinese is found anywhere'], ['Click any value', 'Only this, exclude, begins with, copy'], ['Chips', 'Click one to negate, pause or edit it']].map((row) => row.join('\t')).join('\n'),
  },
);
