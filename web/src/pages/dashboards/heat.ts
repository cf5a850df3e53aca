// Weekday × hour, summed from an hourly histogram by the wall clock of a time zone.
//
// Each cell keeps the hours it was summed from, because "Mondays at nine" is no filter: a cell opens as a list of its hours,
// and each of those is one.
import type { Bucket } from '../../lib/api/types.ts';
import { wallOf } from '../../lib/time/zone.ts';

export interface HeatCell {
  /** 0 is Monday. */
  weekday: number;
  hour: number;
  count: number;
  hours: Bucket[];
}

export interface Heat {
  cells: HeatCell[][];
  most: number;
  total: number;
}

/** The longest period that is asked hour by hour. */
export const HEAT_DAYS_MAX = 400;

export function heatOf(buckets: readonly Bucket[], zone: string): Heat {
  const cells = Array.from({ length: 7 }, (_, weekday) =>
    Array.from({ length: 24 }, (_, hour): HeatCell => ({ weekday, hour, count: 0, hours: [] })),
  );
  let total = 0;
  for (const bucket of buckets) {
    if (bucket.count === 0) continue;
    const wall = wallOf(zone, Date.parse(bucket.start));
    const weekday = (new Date(Date.UTC(wall.year, wall.month - 1, wall.day)).getUTCDay() + 6) % 7;
    const cell = cells[weekday]![wall.hour]!;
    cell.count += bucket.count;
    cell.hours.push(bucket);
    total += bucket.count;
  }
  return { cells, most: Math.max(0, ...cells.flat().map((cell) => cell.count)), total };
}

/** One of five steps of shade; 0 is for nothing. Steps are of equal width, so twice as dark is about twice as many. */
export function shade(count: number, most: number): number {
  return count === 0 || most === 0 ? 0 : Math.max(1, Math.ceil((count / most) * 5));
}
