// What stands beside the ticks of an axis.

/** More digits than a tick ever has, and fewer than where floats show that they are no decimals (0.30000000000000004). */
const DIGITS = 12;

/** A number on an axis: short, and never another number than the tick's. */
export function short(value: number, tag: string): string {
  return new Intl.NumberFormat(tag, { notation: 'compact', maximumSignificantDigits: DIGITS }).format(value);
}
