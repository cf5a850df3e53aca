// Stacks: sums for drawing, raw counts for everything that is said. What is on top is drawn first.

/** A series of a chart: one number a bucket. */
export interface Series {
  key: string;
  label: string;
  /** The name of its colour in app.css. */
  color: string;
  values: readonly number[];
}

/** For each series the sum of itself and those below it; series that are not shown add nothing. */
export function stacked(series: readonly Series[], shown: (key: string) => boolean): number[][] {
  const sums: number[] = [];
  return series.map(({ key, values }) => {
    const visible = shown(key);
    return values.map((value, at) => (sums[at] = (sums[at] ?? 0) + (visible ? value : 0)));
  });
}

/** A ceiling for an axis: at least 1, and a little above the largest. */
export const ceiling = (largest: number): number => (largest <= 0 ? 1 : largest * 1.06);
