// A token in the fragment of the address, as the demo prints it: `…/#token=annals_…`. A fragment is not sent to the
// server; it is taken out of the address and of the history before anything else happens. So is why a sign-in at the
// provider failed: `…/#sign_in=denied`, a word of the server's for which the page has a sentence of its own.

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

/** The words that the server has for a sign-in that failed. */
const FAILURES = ['denied', 'expired', 'unavailable', 'failed', 'unknown', 'several'] as const;
export type Failure = (typeof FAILURES)[number];

/** Why a sign-in failed, by a fragment; null if it says nothing of it. */
export function failureOf(hash: string): Failure | null {
  if (!hash.startsWith('#')) return null;
  const word = new URLSearchParams(hash.slice(1)).get('sign_in');
  return word === null ? null : (FAILURES.find((one) => one === word) ?? 'failed');
}

/** Takes why a sign-in failed out of the address. */
export function takeFailure(): Failure | null {
  const failure = failureOf(location.hash);
  if (failure !== null) history.replaceState(history.state, '', location.pathname + location.search);
  return failure;
}
