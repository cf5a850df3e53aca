/**
 * The period that a dashboard is about, fixed to two moments when the page asks, and the one of the same length before it.
 *
 * Every number of a page is asked with these two moments and links to the list with them, so that what is counted and what
 * the list shows are the same events, however long the page stays open.
 */

export interface Period {
  /** Inclusive, milliseconds since 1970. */
  from: number;
  /** Exclusive. */
  to: number;
}

const UNITS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** What `last=30d` means at `now`: up to the end of the running minute, so that a page asked again asks the same. */
export function periodOfLast(last: string, now: number): Period | null {
  const match = /^(\d+)([smhdw])$/.exec(last);
  if (!match) return null;
  const length = Number(match[1]) * UNITS[match[2]!]!;
  const to = Math.ceil((now + 1) / 60_000) * 60_000;
  return { from: to - length, to };
}

export function periodBefore(period: Period): Period {
  return { from: period.from - (period.to - period.from), to: period.from };
}

/** The two moments as the API's filter takes them. */
export function periodFilter(period: Period): { from: string; to: string } {
  return { from: stamp(period.from), to: stamp(period.to) };
}

export function stamp(millis: number): string {
  return new Date(millis).toISOString();
}
