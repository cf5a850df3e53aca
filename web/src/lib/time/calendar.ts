// Stretches of the calendar on a zone's wall clock: a day, a month or a year, and the one before it. They are not all of one
// length: months differ, and a day on which clocks change has 23 or 25 hours.
import { momentOf, wallOf } from './zone.ts';

export interface Extent {
  from: number | null;
  to: number | null;
}

/** The moment at which a day begins; days and months beyond the end of theirs run on, as `Date.UTC` does it. */
function dayStart(zone: string, year: number, month: number, day: number): number {
  const date = new Date(Date.UTC(year, month - 1, day));
  const wall = { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate(), hour: 0, minute: 0, second: 0, milli: 0 };
  return momentOf(zone, wall)!.ms;
}

/** The day, month or year so many back from that of a moment. */
export function calendarExtent(zone: string, unit: 'day' | 'month' | 'year', back: number, now: number): { from: number; to: number } {
  const { year, month, day } = wallOf(zone, now);
  const at = (more: number): number => {
    switch (unit) {
      case 'day': return dayStart(zone, year, month, day - back + more);
      case 'month': return dayStart(zone, year, month - back + more, 1);
      case 'year': return dayStart(zone, year - back + more, 1, 1);
    }
  };
  return { from: at(0), to: at(1) };
}

/**
 * The period before, to compare with; null where the period is open. On the wall clock of a zone, if one is given, whole months are compared with as many months (so a
 * quarter with the quarter and a year with the year), whole days with as many days, and anything else with the same span.
 */
export function extentBefore({ from, to }: Extent, zone: string | null): { from: number; to: number } | null {
  if (from === null || to === null) return null;
  const span = { from: from - (to - from), to: from };
  if (zone === null) return span;
  const begin = wallOf(zone, from);
  const end = wallOf(zone, to);
  const wholeDays = dayStart(zone, begin.year, begin.month, begin.day) === from && dayStart(zone, end.year, end.month, end.day) === to;
  if (!wholeDays) return span;
  if (begin.day === 1 && end.day === 1) {
    const months = (end.year - begin.year) * 12 + end.month - begin.month;
    return { from: dayStart(zone, begin.year, begin.month - months, 1), to: from };
  }
  const days = Math.round((Date.UTC(end.year, end.month - 1, end.day) - Date.UTC(begin.year, begin.month - 1, begin.day)) / 864e5);
  return { from: dayStart(zone, begin.year, begin.month, begin.day - days), to: from };
}
