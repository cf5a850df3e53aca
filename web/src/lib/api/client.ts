// Requests to the server, and nothing else's: same origin, JSON in and out, errors as problem details.
import { ApiError, isAbort, problemOf } from './errors.ts';

export type Params = Iterable<readonly [string, string]>;

export interface RequestOptions {
  signal?: AbortSignal;
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Sent as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
  /** That nobody is signed in is an answer, and no reason to ask the reader to sign in. */
  anonymous?: boolean;
}

let signedOut: ((changes: boolean) => Promise<boolean>) | null = null;

/**
 * Sets what is done when the server does not know who asks; it is told whether something was to be changed, which somebody
 * waits for, and answers whether to ask again.
 */
export function onSignedOut(handler: (changes: boolean) => Promise<boolean>): void {
  signedOut = handler;
}

/** The longest address that is asked as such; a longer question goes as JSON to `…/query`. */
const ADDRESS_MAX = 6_000;
const ASKABLE = /^\/api\/v1\/(events|count|facets|histogram|top|stats|values)$/;

/** The address of a call. */
export function addressOf(path: string, params: Params = []): string {
  const query = new URLSearchParams([...params].map(([name, value]) => [name, value])).toString();
  return query === '' ? path : `${path}?${query}`;
}

/** A request number that the server's log and the error banner share. */
function requestNumber(): string {
  return [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Asks; answers what the server sent, or throws an `ApiError` (or the signal's abort). A question that comes after the end
 * of a session waits until one has signed in again.
 */
export async function send(path: string, params: Params = [], options: RequestOptions = {}): Promise<Response> {
  try {
    return await sendOnce(path, params, options);
  } catch (cause) {
    if (options.anonymous || !(cause instanceof ApiError) || cause.status !== 401 || signedOut === null) throw cause;
    if (!(await signedOut(options.method !== undefined && options.method !== 'GET'))) throw cause;
    return sendOnce(path, params, options);
  }
}

async function sendOnce(path: string, params: Params, options: RequestOptions): Promise<Response> {
  const requestId = requestNumber();
  let address = addressOf(path, params);
  let { method = 'GET', body } = options;
  if (method === 'GET' && address.length > ADDRESS_MAX && ASKABLE.test(path)) {
    address = `${path}/query`;
    method = 'POST';
    body = jsonOf(params);
  }
  const headers: Record<string, string> = { Accept: 'application/json', 'X-Request-Id': requestId, ...options.headers };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(address, {
      method, headers, signal: options.signal ?? null, credentials: 'same-origin', cache: 'no-cache',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (cause) {
    if (isAbort(cause)) throw cause;
    throw new ApiError('network', cause instanceof Error ? cause.message : String(cause), { requestId });
  }
  if (!response.ok) throw await problemOf(response, requestId);
  return response;
}

/** Asks for JSON. */
export async function ask<T>(path: string, params: Params = [], options: RequestOptions = {}): Promise<T> {
  const response = await send(path, params, options);
  if (response.status === 204) return undefined as T;
  try {
    return (await response.json()) as T;
  } catch (cause) {
    if (isAbort(cause)) throw cause;
    // The connection broke within the answer, or what came is no JSON.
    const cut = cause instanceof TypeError;
    throw new ApiError(cut ? 'cut' : 'answer', String(cause), { requestId: response.headers.get('X-Request-Id') });
  }
}

/** Parameters as the JSON that `…/query` takes; groups (`filter`) are joined with `all`. */
function jsonOf(params: Params): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  const groups: unknown[] = [];
  for (const [name, value] of params) {
    if (name === 'filter') groups.push(JSON.parse(value));
    else if (name in body) body[name] = [...([] as unknown[]).concat(body[name]), value];
    else body[name] = value;
  }
  if (groups.length > 0) body['all'] = groups;
  return body;
}
