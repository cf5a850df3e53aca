// The levels of events: their shapes and words. Values of enumerated fields in general.
import { locale } from '../i18n/index.svelte.ts';

export const LEVELS = ['normal', 'warning', 'incident'] as const;
export const LEVEL_SHAPES: Record<string, string> = { normal: '●', warning: '▲', incident: '◆' };
export const LEVEL_COLORS: Record<string, string> = { normal: '--level-normal', warning: '--level-warning', incident: '--level-incident' };

const WORDS: Record<string, Record<string, { zh: string; en: string }>> = {
  level: { normal: { zh: '正常', en: 'normal' }, warning: { zh: '警告', en: 'warning' }, incident: { zh: '事故', en: 'incident' } },
  event_type: { system: { zh: '管理事件', en: 'system' }, data: { zh: '数据事件', en: 'data' } },
  read_only: { true: { zh: '只读', en: 'read-only' }, false: { zh: '有更改', en: 'changes something' } },
  time_suspect: { true: { zh: '时间存疑', en: 'suspect' }, false: { zh: '时间可信', en: 'plausible' } },
};

/** The word for a value of an enumerated field; any other value as it is. */
export function valueWord(field: string, value: string): string {
  return WORDS[field]?.[value]?.[locale.lang] ?? value;
}

export const levelWord = (level: string): string => valueWord('level', level);
