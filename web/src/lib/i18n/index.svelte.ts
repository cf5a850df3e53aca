// Chinese and English. Each part of the screen has its own dictionary, made with `messages`; a text that one language
// lacks does not compile. What a language writes by rule (numbers, plurals, lists, spans of time) comes from Intl.
import { Persisted, oneOf } from '../persisted.svelte.ts';
import { router } from '../router.svelte.ts';

export type Lang = 'zh' | 'en';

class Locale {
  readonly chosen = new Persisted<'auto' | Lang>('lang', 'auto', oneOf('auto', 'zh', 'en'));

  /** The language: what the address says, else what was chosen, else the browser's. */
  readonly lang: Lang = $derived.by(() => {
    const said = router.params.get('lang');
    if (said === 'zh' || said === 'en') return said;
    if (this.chosen.value !== 'auto') return this.chosen.value;
    return (navigator.languages[0] ?? navigator.language).toLowerCase().startsWith('zh') ? 'zh' : 'en';
  });

  readonly tag: string = $derived(this.lang === 'zh' ? 'zh-CN' : 'en');

  /** Chooses a language and takes one that the address names out of it. */
  choose(lang: Lang): void {
    this.chosen.value = lang;
    if (router.params.has('lang')) router.set({ lang: null }, { replace: true });
  }
}

export const locale = new Locale();

type Message = string | ((...values: never[]) => string);
type Other<T> = { [K in keyof T]: T[K] extends string ? string : T[K] };

/** Makes a dictionary; the function that it returns gives the texts of the current language. */
export function messages<T extends Record<string, Message>>(zh: T, en: Other<T>): () => T {
  return () => (locale.lang === 'zh' ? zh : (en as T));
}

const formats = new Map<string, Intl.NumberFormat>();

/** A whole number, grouped. */
export function number(value: number | bigint): string {
  const tag = locale.tag;
  let format = formats.get(tag);
  if (!format) formats.set(tag, (format = new Intl.NumberFormat(tag)));
  return format.format(value);
}

/** One of two English forms. */
export function plural(count: number, one: string, many: string): string {
  return count === 1 ? one : many;
}

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

/** A number of bytes, readable. */
export function bytes(value: number): string {
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${new Intl.NumberFormat(locale.tag, { maximumFractionDigits: digits }).format(value)} ${UNITS[unit]}`;
}

/** How long ago (or ahead) a moment is. */
export function ago(ms: number, now: number): string {
  const format = new Intl.RelativeTimeFormat(locale.tag, { numeric: 'auto' });
  const seconds = (ms - now) / 1000;
  const steps: [Intl.RelativeTimeFormatUnit, number][] = [['second', 60], ['minute', 60], ['hour', 24], ['day', 30], ['month', 12]];
  let value = seconds;
  for (const [unit, size] of steps) {
    if (Math.abs(value) < size) return format.format(Math.trunc(value), unit);
    value /= size;
  }
  return format.format(Math.trunc(value), 'year');
}

/** A decimal as text, with its digits grouped and none of them lost: amounts are never made into floats. */
export function decimal(text: string): string {
  const match = /^(-?)(\d+)(\.\d+)?$/.exec(text);
  if (!match) return text;
  const [, sign = '', whole = '', fraction = ''] = match;
  return sign + whole.replace(/\B(?=(\d{3})+$)/g, ',') + fraction;
}
