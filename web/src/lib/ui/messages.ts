// The words of the shared components.
import { messages, number } from '../i18n/index.svelte.ts';

export const uiWords = messages(
  {
    close: '关闭', retry: '重试', search: '搜索', clear: '清除', noMatch: '没有匹配的值', showTable: '以表格显示', hideTable: '收起表格',
    request: (id: string) => `请求编号 ${id}`, loading: '正在载入', slow: '比平时慢，仍在查询…', stale: '下面是上一次的结果', status: (code: number) => `状态 ${code}`,
    parameter: (name: string) => `条件 ${name}`, remove: (what: string) => `移除条件：${what}`, more: (count: number) => `还有 ${number(count)} 个值，输入文字以搜索`,
    chosen: (count: number) => `已选 ${number(count)}`, all: '全部', exclude: (what: string) => `排除 ${what}`, include: (what: string) => `仅 ${what}`, events: (count: number) => `${number(count)} 条`, copied: '已复制', copyFailed: '浏览器不允许复制',
    value: '值', count: '条数', excluded: '已排除', failed: '这一部分未能载入', none: '没有', notNewer: '没有更新的数据', suspect: '接收时间', suspectHint: '时间存疑：记录没有可信的时间，按接收时间归档和排序', notThere: '还没有数据', notAsked: (what: string) => `没有查询：${what}`,
  },
  {
    close: 'Close', retry: 'Try again', search: 'Search', clear: 'Clear', noMatch: 'No value matches', showTable: 'Show as a table', hideTable: 'Hide the table',
    request: (id: string) => `Request ${id}`, loading: 'Loading', slow: 'Slower than usual, still asking…', stale: 'The earlier result is shown below', status: (code: number) => `Status ${code}`,
    parameter: (name: string) => `Condition ${name}`, remove: (what: string) => `Remove: ${what}`, more: (count: number) => `${number(count)} more values: type to search`,
    chosen: (count: number) => `${number(count)} chosen`, all: 'All', exclude: (what: string) => `Exclude ${what}`, include: (what: string) => `Only ${what}`, events: (count: number) => `${number(count)} events`, copied: 'Copied', copyFailed: 'The browser does not allow copying',
    value: 'Value', count: 'Count', excluded: 'Excluded', failed: 'This part could not be loaded', none: 'None', notNewer: 'no newer data', suspect: 'time received', suspectHint: 'Time suspect: the record has no time that can be, so the event is filed and sorted under the time it was received', notThere: 'no data yet', notAsked: (what: string) => `Not asked because of ${what}`,
  },
);
