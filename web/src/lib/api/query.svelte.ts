// A question that follows what it is made of: asked when its key changes, the former request aborted, so that the newest
// question wins whatever order answers come in. The former answer stays while the next is on its way, and after an error.
import { away } from './away.svelte.ts';
import { asApiError, isAbort, type ApiError } from './errors.ts';

/** Milliseconds after which a request counts as slow and the reader is told. */
const SLOW_MS = 1_200;
const RETRY_MS = [2_000, 4_000, 8_000, 15_000, 30_000];

export interface QueryOptions<T> {
  /** What the question is made of; `null` asks nothing. Read reactively. */
  key: () => string | null;
  /** Asks. Called outside of tracking: whatever it needs belongs into the key. */
  ask: (signal: AbortSignal, key: string) => Promise<T>;
  /** Ask again after so many milliseconds, while the page is visible; 0 or null does not. Read reactively. */
  every?: () => number | null;
}

/** The state of a question; make it where effects may be made (in a component). */
export class Query<T> {
  /** The newest answer, of this key or, while `stale`, of the one before. */
  data: T | undefined = $state.raw();
  error: ApiError | null = $state.raw(null);
  loading = $state(false);
  slow = $state(false);
  /** Nothing is asked, because there is no key: nothing is on its way either. */
  idle = $state(false);
  /** The key that `data` answers. */
  answered: string | null = $state.raw(null);
  #key: string | null = $state.raw(null);
  readonly #options: QueryOptions<T>;
  #abort: AbortController | null = null;
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: QueryOptions<T>) {
    this.#options = options;
    $effect(() => {
      const key = options.key();
      this.#attempt = 0;
      if (key === null) this.#rest();
      else void this.#run(key);
    });
    $effect(() => {
      const every = options.every?.();
      if (!every) return undefined;
      const timer = setInterval(() => { if (!document.hidden && !this.loading && !this.error) this.again(); }, every);
      return () => clearInterval(timer);
    });
    $effect(() => () => {
      this.#stop();
      away.report(this.error, null, this.#again);
    });
  }

  /** Whether `data` answers an earlier question than the one that is asked now. */
  get stale(): boolean {
    return this.data !== undefined && this.answered !== this.#key;
  }

  /** Nothing to show yet. */
  get first(): boolean {
    return this.data === undefined && this.error === null && !this.idle;
  }

  /** Asks the same question again. */
  again(): void {
    if (this.#key !== null) void this.#run(this.#key);
  }

  readonly #again = (): void => this.again();

  #fail(error: ApiError | null): void {
    away.report(this.error, error, this.#again);
    this.error = error;
  }

  #rest(): void {
    this.#stop();
    this.#fail(null);
    this.#key = null;
    this.idle = true;
  }

  #stop(): void {
    this.#abort?.abort();
    this.#abort = null;
    clearTimeout(this.#timer);
    this.loading = false;
    this.slow = false;
  }

  async #run(key: string): Promise<void> {
    this.#stop();
    const abort = new AbortController();
    this.#abort = abort;
    this.#key = key;
    this.idle = false;
    this.loading = true;
    const slow = setTimeout(() => { if (this.#abort === abort) this.slow = true; }, SLOW_MS);
    try {
      const data = await this.#options.ask(abort.signal, key);
      if (this.#abort !== abort) return;
      this.data = data;
      this.answered = key;
      this.#fail(null);
      this.#attempt = 0;
    } catch (cause) {
      if (this.#abort !== abort || isAbort(cause)) return;
      this.#fail(asApiError(cause));
      this.#retryLater();
    } finally {
      clearTimeout(slow);
      if (this.#abort === abort) {
        this.loading = false;
        this.slow = false;
      }
    }
  }

  /** A server that is away or busy is asked again by itself, less and less often. */
  #retryLater(): void {
    const { error } = this;
    if (error?.trouble !== 'network' && error?.trouble !== 'busy') return;
    const wait = Math.max(RETRY_MS[Math.min(this.#attempt, RETRY_MS.length - 1)]!, (error.retryAfter ?? 0) * 1000);
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.again(), wait);
  }
}
