// Moments as people type them: ISO and RFC 3339, seconds and milliseconds since 1970, dates and clock times in the zone
// that is shown, and everyday words of both languages. What cannot be meant is refused, never guessed.
import { momentOf, wallOf, type Wall } from './zone.ts';

export type Parsed = { ms: number; note: 'gap' | 'twice' | null } | { error: 'empty' | 'unknown' | 'no-such-date' };

const UNITS: Record<string, number> = {
  s: 1e3, sec: 1e3, second: 1e3, seconds: 1e3, 秒: 1e3,
  m: 6e4, min: 6e4, minute: 6e4, minutes: 6e4, 分钟: 6e4, 分: 6e4,
  h: 36e5, hour: 36e5, hours: 36e5, 小时: 36e5, 个小时: 36e5,
  d: 864e5, day: 864e5, days: 864e5, 天: 864e5, 日: 864e5,
  w: 6048e5, week: 6048e5, weeks: 6048e5, 周: 6048e5, 个星期: 6048e5,
};
const DAYS: Record<string, number> = { 今天: 0, today: 0, 昨天: -1, yesterday: -1, 前天: -2, 明天: 1, tomorrow: 1 };

/** Milliseconds of `15m`, `24h`, `7d`, `2w`; null for anything else. The grammar is the server's. */
export function parseDuration(text: string): number | null {
  const match = /^(\d{1,9})([smhdw])$/.exec(text);
  const count = Number(match?.[1]);
  return match && count > 0 ? count * UNITS[match[2]!]! : null;
}

/** Reads a moment. A date without a clock time is its midnight. */
export function parseMoment(typed: string, zone: string, now: number): Parsed {
  const text = typed.trim().normalize('NFKC').toLowerCase().replace(/\s+/g, ' ');
  if (text === '') return { error: 'empty' };
  if (text === 'now' || text === '现在') return { ms: now, note: null };
  if (/^\d{13}$/.test(text)) return { ms: Number(text), note: null };
  if (/^\d{10}$/.test(text)) return { ms: Number(text) * 1000, note: null };
  return relative(text, now) ?? everyday(text, zone, now) ?? iso(text, zone) ?? { error: 'unknown' };
}

function relative(text: string, now: number): Parsed | null {
  const match = /^-?(\d{1,6}) ?([a-z]+|[一-鿿]+?) ?(ago|前|之前)?$/.exec(text);
  const unit = match && UNITS[match[2]!];
  const said = text.startsWith('-') || Boolean(match?.[3]);
  return match && unit && said ? { ms: now - Number(match[1]) * unit, note: null } : null;
}

function everyday(text: string, zone: string, now: number): Parsed | null {
  const match = /^(今天|昨天|前天|明天|today|yesterday|tomorrow) ?(.*)$/.exec(text);
  const days = match && DAYS[match[1]!];
  if (!match || days === null || days === undefined) return null;
  const today = wallOf(zone, now);
  const date = new Date(Date.UTC(today.year, today.month - 1, today.day + days));
  const time = match[2] === '' ? clockTime('0:00') : clockTime(match[2]!);
  if (!time) return { error: 'unknown' };
  return resolve(zone, { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate(), ...time });
}

function clockTime(text: string): Omit<Wall, 'year' | 'month' | 'day'> | null {
  const match =
    /^(上午|下午|晚上|早上)?(\d{1,2})(?::(\d{2})(?::(\d{2})(?:[.,](\d{1,3})\d*)?)?)? ?(am|pm)?$/.exec(text) ??
    /^(上午|下午|晚上|早上)?(\d{1,2})[点时](?:(\d{1,2})分?(?:(\d{1,2})秒?)?|(半))?()$/.exec(text.replace('半', '30分'));
  if (!match) return null;
  let hour = Number(match[2]);
  const late = match[1] === '下午' || match[1] === '晚上' || match[6] === 'pm';
  const early = match[6] === 'am';
  if (late && hour < 12) hour += 12;
  if (early && hour === 12) hour = 0;
  const milli = /[.,]/.test(text) ? Number((match[5] ?? '').padEnd(3, '0')) : 0;
  return { hour, minute: Number(match[3] ?? 0), second: Number(match[4] ?? 0), milli: Number.isNaN(milli) ? 0 : milli };
}

function iso(text: string, zone: string): Parsed | null {
  const match = /^(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[t ]?(.*?))?(z|[+-]\d{2}:?\d{2})?$/.exec(text);
  if (!match) return null;
  const [, year, month, day, rest = '', offset] = match;
  const time = rest === '' ? clockTime('0:00') : clockTime(rest.trim());
  if (!time) return null;
  const wall = { year: Number(year), month: Number(month), day: Number(day), ...time };
  if (!offset) return resolve(zone, wall);
  const utc = resolve('UTC', wall);
  if ('error' in utc || offset === 'z') return utc;
  const sign = offset.startsWith('-') ? 1 : -1;
  return { ms: utc.ms + sign * (Number(offset.slice(1, 3)) * 36e5 + Number(offset.slice(-2)) * 6e4), note: null };
}

function resolve(zone: string, wall: Wall): Parsed {
  const found = momentOf(zone, wall);
  return found ? { ms: found.ms, note: found.note } : { error: 'no-such-date' };
}
