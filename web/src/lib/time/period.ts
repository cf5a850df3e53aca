// The period of a question: back from now, between two moments, or all time. Kept as the texts that the address and the
// server know, so that nothing is rounded on the way.
import { parseDuration } from './parse.ts';

export type Period = { kind: 'all' } | { kind: 'last'; last: string } | { kind: 'fixed'; from: string | null; to: string | null };

export const ALL_TIME: Period = { kind: 'all' };

/** The presets, shortest first. */
export const PRESETS = ['15m', '1h', '6h', '24h', '3d', '7d', '30d', '90d', '180d', '365d'] as const;

/** Milliseconds of a moment in an address: RFC 3339, or 13 digits. Null if it is neither. */
export function momentMs(text: string): number | null {
  if (/^\d{13}$/.test(text)) return Number(text);
  if (!/^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/.test(text)) return null;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

/** Where a period begins and ends; null where it is open. */
export function extentOf(period: Period, now: number): { from: number | null; to: number | null } {
  switch (period.kind) {
    case 'all': return { from: null, to: null };
    case 'last': return { from: now - (parseDuration(period.last) ?? 0), to: null };
    case 'fixed': return { from: period.from === null ? null : momentMs(period.from), to: period.to === null ? null : momentMs(period.to) };
  }
}

/** A period between two moments. */
export function fixedPeriod(from: number | null, to: number | null): Period {
  if (from === null && to === null) return ALL_TIME;
  const text = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
  return { kind: 'fixed', from: text(from), to: text(to) };
}

/** The same period without "now" in it: what a link shows tomorrow as well. */
export function pinned(period: Period, now: number): Period {
  if (period.kind === 'fixed' && period.to !== null) return period;
  const { from, to } = extentOf(period, now);
  return fixedPeriod(from, to ?? now);
}
