// A server that cannot be reached, and a session that ended, are one trouble each, however many parts of a page run into it:
// it is said once, above the page, with one way out. Each part then only says quietly that it has nothing newer.
import { untrack } from 'svelte';
import type { ApiError } from './errors.ts';

class Away {
  #parts: ReadonlyMap<ApiError, () => void> = $state.raw(new Map());

  /** What keeps the server from being reached, while there is any. */
  readonly error: ApiError | null = $derived([...this.#parts.keys()].find((error) => error.trouble === 'network') ?? null);

  /** Whether the page says this error, so that its part need not. */
  has(error: ApiError): boolean {
    return this.#parts.has(error);
  }

  /** Puts a part's error in the place of its former one; `again` asks for that part anew. */
  report(former: ApiError | null, error: ApiError | null, again: () => void): void {
    untrack(() => {
      const away = error?.trouble === 'network' || error?.trouble === 'signed-out';
      if (!away && (former === null || !this.#parts.has(former))) return;
      const parts = new Map(this.#parts);
      if (former !== null) parts.delete(former);
      if (away) parts.set(error, again);
      this.#parts = parts;
    });
  }

  /** Asks for all parts again. */
  again(): void {
    for (const again of this.#parts.values()) again();
  }
}

export const away = new Away();
