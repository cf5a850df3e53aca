// The words of the export dialog.
import { bytes, messages, number } from '../i18n/index.svelte.ts';

export const exportWords = messages(
  {
    title: '导出', counting: '正在精确计数…', count: (count: number) => `将导出 ${number(count)} 条事件`, none: '没有匹配的事件，文件将只有表头', form: '格式', csv: 'CSV（表格软件）', ndjson: 'NDJSON（每行一条，程序用）', parquet: 'Parquet（数据分析）',
    columns: '列', shownColumns: '当前显示的列', shownAndId: '当前显示的列和事件ID', longNumbers: '双击打开 CSV 时，表格软件会改写数字：19 位的编号会变成 1.3E+18 并丢掉末几位，开头的 0 会消失。请用“数据 → 从文本/CSV 导入”并把这些列设为“文本”；要作证据，请用 NDJSON 或 Parquet。', allColumns: '全部字段', withRecord: '全部字段和原始记录', labels: '表头', labelName: '字段名', zone: '时区', order: '顺序', desc: '最新在前', asc: '最早在前',
    safe: '防公式：可能被当作公式的单元格前加撇号（值会改变，适合用 Excel 打开）', bom: '加 BOM（Excel 识别 UTF-8）', digits: '编号按文本写入（="…"，双击用表格软件打开也不会改写；程序读取时请不要选）', utc: 'Parquet 保存的是时刻，与时区无关', start: '导出', cancel: '取消', close: '关闭', again: '再导出一次',
    progress: (rows: string, total: string) => `${rows} / ${total} 条`, size: (text: string) => text, left: (text: string) => `约剩 ${text}`, canceled: '已取消，没有保存任何文件', done: (rows: number) => `已导出 ${number(rows)} 条，与预告数目一致`,
    grew: (rows: number, announced: number) => `已导出 ${number(rows)} 条；预告 ${number(announced)} 条，导出期间有事件到达或被删除，重新计数与文件一致`, differs: (rows: number, counted: number) => `文件有 ${number(rows)} 条，重新计数为 ${number(counted)} 条：请核对后再使用`,
    file: '文件', save: '再次保存', digest: 'SHA-256', seconds: (count: number) => `${number(count)} 秒`, minutes: (count: number) => `${number(count)} 分钟`, leave: '正在导出，关闭将取消。', conditions: '条件', bytesOf: (count: number) => bytes(count),
  },
  {
    title: 'Export', counting: 'Counting exactly…', count: (count: number) => `${number(count)} events will be exported`, none: 'No event matches; the file will have a header only', form: 'Format', csv: 'CSV (for spreadsheets)', ndjson: 'NDJSON (one a line, for programs)', parquet: 'Parquet (for analysis)',
    columns: 'Columns', shownColumns: 'The columns that are shown', shownAndId: 'The columns that are shown, and the event ID', longNumbers: 'Opened by a double click, a spreadsheet rewrites numbers: an id of 19 digits becomes 1.3E+18 and loses its last digits, and zeros in front are dropped. Import the file (Data, From text or CSV) with these columns as text; as evidence, take NDJSON or Parquet.', allColumns: 'All fields', withRecord: 'All fields and the record', labels: 'Header', labelName: 'Field names', zone: 'Time zone', order: 'Order', desc: 'Newest first', asc: 'Oldest first',
    safe: 'No formulas: an apostrophe before cells that a spreadsheet would take for one (changes the value; for Excel)', bom: 'Byte order mark (Excel knows UTF-8 by it)', digits: 'Ids of digits as text (="…": a spreadsheet leaves them alone; not for programs)', utc: 'Parquet holds moments, which need no zone', start: 'Export', cancel: 'Cancel', close: 'Close', again: 'Export again',
    progress: (rows: string, total: string) => `${rows} of ${total}`, size: (text: string) => text, left: (text: string) => `about ${text} left`, canceled: 'Cancelled; no file was kept', done: (rows: number) => `${number(rows)} events exported, as many as announced`,
    grew: (rows: number, announced: number) => `${number(rows)} events exported; ${number(announced)} were announced: events came or went meanwhile, and a new count agrees with the file`, differs: (rows: number, counted: number) => `The file has ${number(rows)} events, a new count says ${number(counted)}: check before you use it`,
    file: 'File', save: 'Save again', digest: 'SHA-256', seconds: (count: number) => `${number(count)} s`, minutes: (count: number) => `${number(count)} min`, leave: 'An export is running; closing cancels it.', conditions: 'Conditions', bytesOf: (count: number) => bytes(count),
  },
);
