// What can go wrong with a request, and what the reader can do about it. The server's errors are problem details
// (RFC 9457): status, what is wrong, and which parameter.
import { messages } from '../i18n/index.svelte.ts';

export type Trouble = 'network' | 'refused' | 'not-found' | 'signed-out' | 'denied' | 'conflict' | 'busy' | 'server' | 'cut' | 'answer';

export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly trouble: Trouble;
  readonly status: number;
  /** The parameter that the server names. */
  readonly parameter: string | null;
  /** By which the operator finds the request in the server's log. */
  readonly requestId: string | null;
  /** Seconds after which the server wants to be asked again. */
  readonly retryAfter: number | null;

  constructor(trouble: Trouble, detail: string, more: { status?: number; parameter?: string | null; requestId?: string | null; retryAfter?: number | null } = {}) {
    super(detail);
    this.trouble = trouble;
    this.status = more.status ?? 0;
    this.parameter = more.parameter ?? null;
    this.requestId = more.requestId ?? null;
    this.retryAfter = more.retryAfter ?? null;
  }
}

export const isAbort = (error: unknown): boolean => error instanceof DOMException && error.name === 'AbortError';

/** Any error as one of ours. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError('answer', error instanceof Error ? error.message : String(error));
}

function troubleOf(status: number): Trouble {
  if (status === 401) return 'signed-out';
  if (status === 403) return 'denied';
  if (status === 404) return 'not-found';
  if (status === 409 || status === 412) return 'conflict';
  if (status === 429 || status === 503) return 'busy';
  // What stands between says that it does not reach the server.
  if (status === 502) return 'network';
  return status >= 500 ? 'server' : 'refused';
}

/** The error of an answer that is none of the 2xx. */
export async function problemOf(response: Response, requestId: string): Promise<ApiError> {
  const text = await response.text().catch(() => '');
  let problem: { detail?: unknown; title?: unknown; parameter?: unknown } = {};
  try {
    problem = JSON.parse(text) as typeof problem;
  } catch {
    // Not one of our server's answers; the status says enough.
  }
  const retry = Number(response.headers.get('Retry-After'));
  const said = [problem.detail, problem.title].find((one): one is string => typeof one === 'string');
  return new ApiError(troubleOf(response.status), said ?? `${response.status} ${response.statusText}`, {
    status: response.status,
    parameter: typeof problem.parameter === 'string' ? problem.parameter : null,
    requestId: response.headers.get('X-Request-Id') ?? requestId,
    retryAfter: retry > 0 ? retry : null,
  });
}

const words = messages(
  {
    network: '连接不到服务器。请确认 annals serve 仍在运行；恢复后会自动重试。',
    refused: '服务器不接受这个条件。请改正标出的条件后再试。',
    'not-found': '没有找到。它可能已过保留期，或属于另一租户。',
    'signed-out': '会话已结束。条件已保留，重新登录后可继续。',
    denied: '您的角色不允许。需要这项权限，请联系安全管理员。',
    conflict: '已被他人更改。请重新载入后再保存。',
    busy: '服务器正忙。稍后会自动重试，也可立即重试。',
    server: '服务器出错。请重试；仍失败时，把请求编号交给管理员。',
    cut: '传输中断，得到的不完整，已丢弃。请重试。',
    answer: '收到的回答无法读懂。请重试；仍失败时，把请求编号交给管理员。',
  } satisfies Record<Trouble, string>,
  {
    network: 'The server cannot be reached. Check that annals serve is running; the page tries again by itself.',
    refused: 'The server does not take this condition. Correct the one that is marked and try again.',
    'not-found': 'Not found. It may be past its retention, or belong to another tenant.',
    'signed-out': 'The session has ended. The conditions are kept; sign in again and go on.',
    denied: 'Your roles do not permit it. If you need it, ask a security administrator.',
    conflict: 'Somebody else has changed it. Load it again before you save.',
    busy: 'The server is busy. The page tries again by itself; you can also try now.',
    server: 'The server failed. Try again; if it fails again, give the request number to the operator.',
    cut: 'The transfer broke off; what came was incomplete and was dropped. Try again.',
    answer: 'The answer could not be read. Try again; if it fails again, give the request number to the operator.',
  },
);

/** What to do about an error. */
export const adviceOn = (error: ApiError): string => words()[error.trouble];
