// Wall clocks of time zones. Offsets come from Intl (the browser's IANA database) and are remembered by quarter of an
// hour, so that a column of times costs additions and no formatter.

const MINUTE = 60_000;
const SLOT = 15 * MINUTE;
const clocks = new Map<string, Intl.DateTimeFormat>();
const offsets = new Map<string, number>();

function clock(zone: string): Intl.DateTimeFormat {
  let format = clocks.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone, hourCycle: 'h23', era: 'short',
      year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric',
    });
    clocks.set(zone, format);
  }
  return format;
}

/** Whether the browser knows a time zone. */
export function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/** Milliseconds that the zone's wall clock is ahead of UTC at a moment. */
export function offsetOf(zone: string, ms: number): number {
  if (zone === 'UTC' || !Number.isFinite(ms)) return 0;
  const slot = Math.floor(ms / SLOT);
  const key = `${zone} ${slot}`;
  const known = offsets.get(key);
  if (known !== undefined) return known;
  const at = slot * SLOT;
  const parts: Record<string, string> = {};
  for (const { type, value } of clock(zone).formatToParts(at)) parts[type] = value;
  const year = Number(parts['year']) * (parts['era'] === 'BC' ? -1 : 1);
  const wall = Date.UTC(year, Number(parts['month']) - 1, Number(parts['day']), Number(parts['hour']), Number(parts['minute']), Number(parts['second']));
  const offset = wall - at;
  if (offsets.size > 20_000) offsets.clear();
  offsets.set(key, offset);
  return offset;
}

/** The fields of a wall clock; `month` is 1 to 12. */
export interface Wall {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  milli: number;
}

/** What the zone's wall clock shows at a moment. */
export function wallOf(zone: string, ms: number): Wall {
  const date = new Date(ms + offsetOf(zone, ms));
  return {
    year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate(),
    hour: date.getUTCHours(), minute: date.getUTCMinutes(), second: date.getUTCSeconds(), milli: date.getUTCMilliseconds(),
  };
}

/** A moment that a wall clock shows; what is special about it is said, not silently resolved. */
export interface Resolved {
  ms: number;
  /** `gap`: clocks skipped this time, the moment of the change is meant. `twice`: it was shown twice, the first is meant. */
  note: 'gap' | 'twice' | null;
  /** The second moment of a time that was shown twice. */
  second: number | null;
}

/** The moment at which the zone's wall clock shows a time; null for a date that does not exist. */
export function momentOf(zone: string, wall: Wall): Resolved | null {
  const naive = new Date(0);
  naive.setUTCFullYear(wall.year, wall.month - 1, wall.day);
  naive.setUTCHours(wall.hour, wall.minute, wall.second, wall.milli);
  const shown = naive.getTime();
  const exists = naive.getUTCMonth() === wall.month - 1 && naive.getUTCDate() === wall.day && wall.hour < 24 && wall.minute < 60 && wall.second < 60;
  if (!exists || Number.isNaN(shown)) return null;
  const day = 24 * 60 * MINUTE;
  const tried = new Set([offsetOf(zone, shown - day), offsetOf(zone, shown), offsetOf(zone, shown + day)]);
  const found = [...tried].map((offset) => shown - offset).filter((ms) => ms + offsetOf(zone, ms) === shown);
  found.sort((left, right) => left - right);
  if (found.length > 0) return { ms: found[0]!, note: found.length > 1 ? 'twice' : null, second: found[1] ?? null };
  // Skipped: step through the surrounding day to the change.
  let at = shown - Math.max(...tried);
  const before = offsetOf(zone, at - SLOT);
  while (offsetOf(zone, at) === before && at < shown + day) at += SLOT;
  return { ms: Math.floor(at / SLOT) * SLOT, note: 'gap', second: null };
}

const pad = (value: number, width = 2): string => String(value).padStart(width, '0');

/** An offset as `+08:00`. */
export function offsetText(offset: number): string {
  const minutes = Math.round(Math.abs(offset) / MINUTE);
  return `${offset < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;
}

/** A zone as it is shown: `UTC`, `UTC+08:00`. */
export function zoneLabel(zone: string, ms: number): string {
  const offset = offsetOf(zone, ms);
  return zone === 'UTC' ? 'UTC' : `UTC${offsetText(offset)}`;
}

/** A zone as the head of a column names it: by its offset if it has one all year, else by its name. */
export function zoneTitle(zone: string, now: number): string {
  const year = new Date(now).getUTCFullYear();
  return offsetOf(zone, Date.UTC(year, 0, 1)) === offsetOf(zone, Date.UTC(year, 6, 1)) ? zoneLabel(zone, now) : zone;
}

/** How much of a moment is shown. */
export type TimeStyle = 'full' | 'row' | 'minute' | 'date' | 'clock' | 'iso';

/** A moment on the zone's wall clock. `iso` carries the offset: for copies and addresses. */
export function showTime(ms: number, zone: string, style: TimeStyle = 'full'): string {
  if (!Number.isFinite(ms)) return '—';
  const wall = wallOf(zone, ms);
  const date = `${pad(wall.year, 4)}-${pad(wall.month)}-${pad(wall.day)}`;
  const minute = `${pad(wall.hour)}:${pad(wall.minute)}`;
  const full = `${minute}:${pad(wall.second)}.${pad(wall.milli, 3)}`;
  switch (style) {
    case 'full': return `${date} ${full}`;
    case 'row': return `${date.slice(5)} ${full}`;
    case 'minute': return `${date} ${minute}`;
    case 'date': return date;
    case 'clock': return full;
    case 'iso': return `${date}T${full}${zone === 'UTC' ? 'Z' : offsetText(offsetOf(zone, ms))}`;
  }
}

/** All zones that the browser knows, UTC first. */
export function allZones(): string[] {
  const known = typeof Intl.supportedValuesOf === 'function' ? Intl.supportedValuesOf('timeZone') : [];
  return ['UTC', ...known.filter((zone) => zone !== 'UTC')];
}

let own: string | null = null;

/** The browser's own zone; asked once, as asking makes a formatter. */
export function browserZone(): string {
  own ??= new Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
  return own;
}
