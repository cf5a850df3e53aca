/**
 * Exact decimal amounts. An amount is a whole number of 10⁻⁸, kept as a BigInt: the scale that the store keeps.
 *
 * Amounts arrive and are shown as text and are never a float on the way, because 0.1 + 0.2 must be 0.30 on a screen that
 * auditors add up. `ratio` alone gives a float, and it is for pixels.
 */

/** A count of 10⁻⁸. */
export type Amount = bigint;

export const ZERO: Amount = 0n;
const SCALE = 8;
const UNIT = 10n ** BigInt(SCALE);
const PLAIN = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/;

/** Reads decimal text such as `-12.50` or `1.25e3`; null for anything that is no number or would have to be rounded. */
export function parseAmount(text: string | null | undefined): Amount | null {
  const match = PLAIN.exec((text ?? '').trim());
  if (!match) return null;
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  if (whole.length + fraction.length === 0) return null;
  const shift = Number(exponent) - fraction.length + SCALE;
  const digits = BigInt(whole + fraction);
  if (shift >= 0) return signed(sign, digits * 10n ** BigInt(shift));
  const divisor = 10n ** BigInt(-shift);
  return digits % divisor === 0n ? signed(sign, digits / divisor) : null;
}

/** Plain decimal text with at least two digits after the point, as the API writes amounts: `5000.00`, `0.125`. */
export function amountText(amount: Amount): string {
  const [sign, whole, fraction] = parts(amount);
  return `${sign}${whole}.${fraction}`;
}

/** The same for people: groups of three, and a real minus sign. Only commas and the sign are added, no digit is. */
export function amountLabel(amount: Amount, withPlus = false): string {
  const [sign, whole, fraction] = parts(amount);
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  const mark = sign === '-' ? '−' : withPlus && amount > 0n ? '+' : '';
  return `${mark}${grouped}.${fraction}`;
}

/** The label of an amount that the API wrote; what it did not write as a number stays as it is. */
export function amountLabelOf(text: string | null | undefined, withPlus = false): string {
  const amount = parseAmount(text);
  return amount === null ? (text ?? '') : amountLabel(amount, withPlus);
}

export function sum(amounts: Iterable<Amount>): Amount {
  let total = ZERO;
  for (const amount of amounts) total += amount;
  return total;
}

/** `part` of `whole` as a float between 0 and 1, for the length of a bar and nothing else. */
export function ratio(part: Amount, whole: Amount): number {
  if (whole === 0n) return 0;
  return Number((part * 1_000_000n) / whole) / 1_000_000;
}

/** Change from `before` to `now` in tenths of a per cent, rounded half up; null if there was nothing before. */
export function changePermille(now: bigint, before: bigint): bigint | null {
  if (before === 0n) return null;
  const base = before < 0n ? -before : before;
  const doubled = 2000n * (now - before);
  const rounded = doubled >= 0n ? (doubled + base) / (2n * base) : -((-doubled + base) / (2n * base));
  return rounded;
}

/** Tenths of a per cent as text: `+4.2%`. */
export function permilleLabel(permille: bigint): string {
  const sign = permille < 0n ? '−' : permille > 0n ? '+' : '±';
  const size = permille < 0n ? -permille : permille;
  return `${sign}${size / 10n}.${size % 10n}%`;
}

function signed(sign: string | undefined, amount: bigint): Amount {
  return sign === '-' ? -amount : amount;
}

function parts(amount: Amount): [sign: string, whole: string, fraction: string] {
  const size = amount < 0n ? -amount : amount;
  const fraction = (size % UNIT).toString().padStart(SCALE, '0').replace(/0+$/, '').padEnd(2, '0');
  return [amount < 0n ? '-' : '', (size / UNIT).toString(), fraction];
}
