// A token in the fragment of the address, as the demo prints it: `…/#token=annals_…`. A fragment is not sent to the
// server; it is taken out of the address and of the history before anything else happens.

/** The token of a fragment, or null. */
export function tokenOf(hash: string): string | null {
  if (!hash.startsWith('#')) return null;
  const token = new URLSearchParams(hash.slice(1)).get('token')?.trim() ?? '';
  return token === '' ? null : token;
}

/** Whether a fragment names a token at all, even an empty one: none of them stays in the address. */
export const hasToken = (hash: string): boolean => hash.startsWith('#') && new URLSearchParams(hash.slice(1)).has('token');

/** Takes the token out of the address. */
export function takeToken(): string | null {
  const { hash, pathname, search } = location;
  if (!hasToken(hash)) return null;
  history.replaceState(history.state, '', pathname + search);
  return tokenOf(hash);
}
