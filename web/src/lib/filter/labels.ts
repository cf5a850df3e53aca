// Conditions and periods in words of both languages.
import { fields } from '../fields.svelte.ts';
import { messages } from '../i18n/index.svelte.ts';
import { momentMs, type Period } from '../time/period.ts';
import { showTime } from '../time/zone.ts';
import { valueWord } from '../ui/level.ts';
import type { Condition, Operation } from './model.ts';

export const filterWords = messages(
  {
    is: '=', not: '≠', prefix: '以…开头', 'not-prefix': '不以…开头', exists: '有值', absent: '无值', min: '≥', max: '≤',
    text: '文本', 'text-not': '文本不含', substring: '原文含', 'substring-not': '原文不含', filter: '条件组',
    starts: (name: string, value: string) => `${name} 以 ${value} 开头`, startsNot: (name: string, value: string) => `${name} 不以 ${value} 开头`,
    paused: '停用：', fault: '无法识别：', or: '、', more: (count: number) => `等 ${count} 个`,
    unknown: '不认识这个条件', empty: '条件没有值', time: '时间写法无法识别', twice: '给了两次，或与另一时间条件冲突', reversed: '起止时间颠倒',
    allTime: '全部时间', custom: '自定义', from: (text: string) => `${text} 起`, to: (text: string) => `${text} 止`,
    last: (count: string, unit: string) => `最近 ${count} ${unit}`, units: 's=秒 m=分钟 h=小时 d=天 w=周',
  },
  {
    is: '=', not: '≠', prefix: 'begins with', 'not-prefix': 'does not begin with', exists: 'has a value', absent: 'has no value', min: '≥', max: '≤',
    text: 'text', 'text-not': 'text without', substring: 'record contains', 'substring-not': 'record without', filter: 'group',
    starts: (name: string, value: string) => `${name} begins with ${value}`, startsNot: (name: string, value: string) => `${name} does not begin with ${value}`,
    paused: 'paused: ', fault: 'not understood: ', or: ', ', more: (count: number) => `and ${count} more`,
    unknown: 'there is no such condition', empty: 'the condition has no value', time: 'this is no time', twice: 'given twice, or against another time', reversed: 'the period ends before it begins',
    allTime: 'All time', custom: 'Custom', from: (text: string) => `from ${text}`, to: (text: string) => `until ${text}`,
    last: (count: string, unit: string) => `Last ${count} ${unit}`, units: 's=s m=min h=h d=days w=weeks',
  },
);

/** How many values a chip names. */
const NAMED = 3;

/** Values in words, the first few of them. */
export function valuesWord(field: string, values: readonly string[]): string {
  const named = values.slice(0, NAMED).map((value) => valueWord(field, value)).join(filterWords().or);
  return values.length > NAMED ? `${named} ${filterWords().more(values.length)}` : named;
}

/** A condition in words, without whether it is paused. */
export function conditionWord({ field, op, values, fault }: Condition): string {
  const words = filterWords();
  if (fault !== undefined) return `${words.fault}${field} = ${values[0] ?? ''}`;
  if (field === 'text') return `${op === 'not' ? words['text-not'] : words.text} ${values[0] ?? ''}`;
  if (field === 'substring') return `${op === 'not' ? words['substring-not'] : words.substring} ${values[0] ?? ''}`;
  if (field === 'filter') return `${words.filter} ${values[0] ?? ''}`;
  const name = fields.label(field);
  switch (op) {
    case 'exists': case 'absent': return `${name} ${words[op]}`;
    case 'prefix': return words.starts(name, valuesWord(field, values));
    case 'not-prefix': return words.startsNot(name, valuesWord(field, values));
    default: return `${name} ${words[op]} ${valuesWord(field, values)}`;
  }
}

export const operationWord = (op: Operation): string => filterWords()[op];

/** Why a condition of an address cannot be asked. */
export function faultWord(fault: string): string {
  const words = filterWords();
  const known = { unknown: words.unknown, empty: words.empty, time: words.time, twice: words.twice, reversed: words.reversed } as Record<string, string>;
  return known[fault] ?? words.unknown;
}

/** A span such as `24h` in words. */
export function spanWord(last: string): string {
  const unit = last.slice(-1);
  const word = filterWords().units.split(' ').find((one) => one.startsWith(`${unit}=`))?.slice(2) ?? unit;
  return filterWords().last(last.slice(0, -1), word);
}

/** A period in words, on the zone's wall clock. */
export function periodWord(period: Period, zone: string): string {
  if (period.kind === 'all') return filterWords().allTime;
  if (period.kind === 'last') return spanWord(period.last);
  const show = (text: string): string => {
    const ms = momentMs(text);
    const full = ms === null ? text : showTime(ms, zone);
    return full.endsWith(':00.000') ? full.slice(0, -7) : full.endsWith('.000') ? full.slice(0, -4) : full;
  };
  if (period.from !== null && period.to !== null) return `${show(period.from)} – ${show(period.to)}`;
  return period.from !== null ? filterWords().from(show(period.from)) : filterWords().to(show(period.to ?? ''));
}
