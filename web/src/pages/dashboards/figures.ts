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

/** The change from the period before, and which way it points. */
export function changeOf(now: number, before: number): { text: string; way: 'up' | 'down' | 'same' } | null {
  const permille = changePermille(BigInt(now), BigInt(before));
  if (permille === null) return null;
  return { text: permilleLabel(permille), way: now > before ? 'up' : now < before ? 'down' : 'same' };
}
