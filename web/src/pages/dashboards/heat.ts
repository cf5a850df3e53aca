/**
 * Weekday × hour, summed from an hourly histogram by the wall clock of a time zone.
 *
 * Each cell keeps the hours it was summed from, because "Mondays at nine" is no filter: a cell opens as a list of its hours,
 * and each of those is one.
 */

export interface Bucket {
  start: string;
  count: number;
}

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

const WEEKDAYS: Record<string, number> = { Mon: 0, Tue: 1, Wed: 2, Thu: 3, Fri: 4, Sat: 5, Sun: 6 };

export function heatOf(buckets: readonly Bucket[], timeZone: string): Heat {
  const cells = Array.from({ length: 7 }, (_, weekday) =>
    Array.from({ length: 24 }, (_, hour): HeatCell => ({ weekday, hour, count: 0, hours: [] })),
  );
  const clock = new Intl.DateTimeFormat('en-GB', { timeZone, weekday: 'short', hour: '2-digit', hourCycle: 'h23' });
  let total = 0;
  for (const bucket of buckets) {
    if (bucket.count === 0) continue;
    const parts = clock.formatToParts(new Date(bucket.start));
    const part = (type: string) => parts.find((one) => one.type === type)?.value ?? '';
    const cell = cells[WEEKDAYS[part('weekday')] ?? 0]![Number(part('hour')) % 24]!;
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
