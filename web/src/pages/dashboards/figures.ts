// How whole numbers of a dashboard are set against each other: shares and changes, computed in whole numbers.
import { changePermille, permilleLabel } from '../../lib/partner/decimal.ts';

/** A share in tenths of a per cent, rounded half up; what is there but tiny says so. */
export function shareLabel(part: number, whole: number): string {
  if (whole <= 0) return '—';
  const permille = (2000n * BigInt(part) + BigInt(whole)) / (2n * BigInt(whole));
  if (part > 0 && permille === 0n) return '<0.1%';
  if (part < whole && permille === 1000n) return '>99.9%';
  return `${permille / 10n}.${permille % 10n}%`;
}

/** From this many times as much on, a change is said as a factor: as a per cent it would be a number nobody reads. */
const TIMES_FROM = 10;

/**
 * The change from the period before, and which way it points: `percent` in words, `times` as a decimal, or from nothing at
 * all. Null where there was nothing and is nothing. What is there but tiny says so, and so does what is nearly all.
 */
export type Change = { way: 'up' | 'down' | 'same' } & ({ percent: string } | { times: string } | { fromNone: true });

export function changeOf(now: number, before: number): Change | null {
  if (before === 0) return now === 0 ? null : { way: 'up', fromNone: true };
  if (now >= TIMES_FROM * before) {
    const tenths = (20n * BigInt(now) + BigInt(before)) / (2n * BigInt(before));
    return { way: 'up', times: tenths % 10n === 0n ? String(tenths / 10n) : `${tenths / 10n}.${tenths % 10n}` };
  }
  const permille = changePermille(BigInt(now), BigInt(before))!;
  if (now === before) return { way: 'same', percent: permilleLabel(permille) };
  if (permille === 0n) return now > before ? { way: 'up', percent: '<+0.1%' } : { way: 'down', percent: '>−0.1%' };
  if (now > 0 && permille === -1000n) return { way: 'down', percent: '<−99.9%' };
  return { way: now > before ? 'up' : 'down', percent: permilleLabel(permille) };
}
