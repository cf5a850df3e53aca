// What both charts share of uPlot: building in a fixed-height box, following its width, repainting with the theme, and
// taking it down. Labels come from our own zone code, as uPlot would use the browser's.
import uPlot from 'uplot';
import { colorOf } from '../theme.svelte.ts';
import { showTime, wallOf } from '../time/zone.ts';

/** Keeps a drawing as wide as its box; answers how to end it. */
export function fit(box: HTMLElement, plot: uPlot, height: number): () => void {
  let frame = 0;
  const observer = new ResizeObserver(([entry]) => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => {
      const width = Math.floor(entry?.contentRect.width ?? 0);
      if (width > 0 && width !== plot.width) plot.setSize({ width, height });
    });
  });
  observer.observe(box);
  return () => {
    cancelAnimationFrame(frame);
    observer.disconnect();
  };
}

/** Where ticks stand and what they say, on the zone's wall clock. */
export function timeAxis(zone: string, height: number): uPlot.Axis {
  return {
    stroke: () => colorOf('--muted'),
    grid: { show: false },
    ticks: { stroke: () => colorOf('--line'), width: 1, size: 4 },
    size: height,
    gap: 2,
    space: 90,
    font: '11px "Segoe UI", Roboto, "Helvetica Neue", Arial, "Noto Sans CJK SC", sans-serif',
    values: (_, splits) => {
      const span = ((splits.at(-1) ?? 0) - (splits[0] ?? 0)) * 1000;
      return splits.map((second) => tickText(second * 1000, zone, span));
    },
  };
}

function tickText(ms: number, zone: string, span: number): string {
  const text = showTime(ms, zone);
  if (span > 300 * 864e5) return text.slice(0, 7);
  const midnight = wallOf(zone, ms).hour === 0 && wallOf(zone, ms).minute === 0;
  if (span > 3 * 864e5 || midnight) return midnight || span > 20 * 864e5 ? text.slice(5, 10) : text.slice(5, 16);
  return span < 120_000 ? text.slice(11, 19) : text.slice(11, 16);
}

/** Options that every chart has. */
export const COMMON: Partial<uPlot.Options> = {
  legend: { show: false },
  padding: [4, 0, 0, 0],
};

/** uPlot lays its cursor out in CSS pixels; a bucket is named by its place. */
export function bucketAt(starts: readonly number[], value: number): number {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}
