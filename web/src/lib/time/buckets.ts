// Buckets for a drawing: how wide they should be for a period, and the empty ones around those that the server counted,
// so that a drawing shows the whole period and not only the part of it that has events.
import type { Histogram } from '../api/types.ts';
import { parseDuration } from './parse.ts';
import { extentOf, type Period } from './period.ts';

const NICE = ['1s', '5s', '10s', '30s', '1m', '5m', '10m', '30m', '1h', '3h', '6h', '12h', '1d', '2d', '1w', '2w', '4w', '12w', '52w'];
/** Empty buckets that are added at most. */
const PADDING_MAX = 400;

/** The interval for about so many buckets of a period; `auto` where the period is open. */
export function intervalOf(period: Period, now: number, buckets: number): string {
  const { from, to } = extentOf(period, now);
  if (from === null) return 'auto';
  const span = (to ?? now) - from;
  return NICE.find((interval) => span / parseDuration(interval)! <= buckets) ?? '52w';
}

export interface Buckets {
  starts: number[];
  end: number;
  /** The place of each bucket in the server's answer; -1 for one that was added. */
  source: number[];
}

/** The buckets of an answer, with the empty ones of its period. */
export function padded(histogram: Histogram, period: Period, now: number): Buckets {
  const width = parseDuration(histogram.interval) ?? 3_600_000;
  const starts = histogram.buckets.map((bucket) => Date.parse(bucket.start));
  const source = starts.map((_, at) => at);
  const { from, to } = extentOf(period, now);
  if (starts.length === 0) {
    const begin = from ?? now - width * 60;
    return { starts: [begin], end: to ?? now, source: [-1] };
  }
  if (from !== null) {
    for (let added = 0; starts[0]! > from && added < PADDING_MAX; added += 1) {
      starts.unshift(starts[0]! - width);
      source.unshift(-1);
    }
  }
  const until = to ?? (from === null ? starts.at(-1)! : now);
  for (let added = 0; starts.at(-1)! + width < until && added < PADDING_MAX; added += 1) {
    starts.push(starts.at(-1)! + width);
    source.push(-1);
  }
  return { starts, end: starts.at(-1)! + width, source };
}
