// The words of charts.
import { messages } from '../i18n/index.svelte.ts';

export const chartWords = messages(
  { keys: '方向键逐格读数，按住 Shift 选取，回车缩放到所选时段', bucket: '时段', total: '合计', time: '时间', value: '数值', mark: '标记' },
  { keys: 'Arrow keys read bucket by bucket, with Shift they select, Enter zooms to the selection', bucket: 'Period', total: 'Total', time: 'Time', value: 'Value', mark: 'Mark' },
);
