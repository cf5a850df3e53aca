// Query strings that people can read and write.

/** The pairs of a query string, in order. Malformed escapes are kept as they are: nothing may throw here. */
export function pairsOf(search: string): [string, string][] {
  return [...new URLSearchParams(search)];
}

/** Pairs as a query string that people can read: what may stand in a query string unescaped does. */
export function queryOf(pairs: Iterable<readonly [string, string]>): string {
  const text = [...pairs].map(([name, value]) => `${escape(name)}=${escape(value)}`).join('&');
  return text === '' ? '' : `?${text}`;
}

function escape(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replace(/%(3A|2F|2C|40|24|3F|7B|7D)/g, (code) => decodeURIComponent(code))
    .replace(/%20/g, '+');
}
