// The loaded part of the list: at most 1,000 rows, in pages by cursor, in both directions. The scroll bar is that of the
// loaded part; far places are reached by time, newest and oldest. The end is where the server says so and nowhere else.
import * as api from '$lib/api/calls.ts';
import { asApiError, isAbort, type ApiError } from '$lib/api/errors.ts';
import type { Event, Page } from '$lib/api/types.ts';

export type Order = 'desc' | 'asc';

/** What a list is of. */
export interface ListQuestion extends api.Question {
  order: Order;
  /** The fields that rows show. */
  fields: readonly string[];
}

/** Rows of the first page: what a window shows, so that it is there at once. */
const FIRST_ROWS = 80;
const PAGE_ROWS = 200;
const ROWS_MAX = 1_000;
/** Longer texts of cells are cut by the server. */
const CUT = 256;
const SLOW_MS = 1_200;
/** Fields that the list itself needs. */
export const NEEDED = ['trace_id', 'seq', 'time', 'time_suspect', 'tenant'];

interface Loaded {
  events: Event[];
  prev: string | null;
  next: string | null;
}

/** Tells the view that rows were put in before those it shows (negative: taken away), in the same frame. */
type Shift = (rows: number) => void;

export class EventList {
  rows: Event[] = $state.raw([]);
  /** The place of the first loaded row in the whole list, if that is known. */
  base: number | null = $state.raw(null);
  /** The first page of a question is on its way; what is shown is of the one before. */
  loading = $state(false);
  slow = $state(false);
  error: ApiError | null = $state.raw(null);
  /** A further page is on its way, or failed. */
  more: 'next' | 'prev' | null = $state(null);
  moreError: { side: 'next' | 'prev'; error: ApiError } | null = $state.raw(null);
  /** The key of the question that the rows answer. */
  answered: string | null = $state.raw(null);
  onshift: Shift = () => {};
  #pages: Loaded[] = $state.raw([]);
  #question: ListQuestion | null = null;
  #key = '';
  #abort = new AbortController();
  #settled: (() => void)[] = [];

  get atStart(): boolean {
    return this.#pages.length > 0 && this.#pages[0]!.prev === null;
  }

  get atEnd(): boolean {
    return this.#pages.length > 0 && this.#pages.at(-1)!.next === null;
  }

  get stale(): boolean {
    return this.answered !== null && this.answered !== this.#key;
  }

  /** Asks for the beginning of a list, or the part of it that begins at a moment. */
  async open(question: ListQuestion, key: string, around: string | null): Promise<void> {
    this.#question = question;
    this.#key = key;
    await this.#replace(async (signal) => {
      const page = await this.#page([...(around === null ? [] : [['around', around] as [string, string]]), ['limit', String(FIRST_ROWS)]], signal);
      // Nothing at or after this place: show what is before it.
      if (around !== null && page.events.length === 0) return { page: await this.#lastPage(signal), base: null };
      return { page, base: page.prev_cursor === null ? 0 : null };
    });
  }

  /** The true beginning of the list. */
  first(): Promise<void> {
    return this.#replace(async (signal) => ({ page: await this.#page([['limit', String(FIRST_ROWS)]], signal), base: 0 }));
  }

  /** The true end of the list. */
  last(): Promise<void> {
    return this.#replace(async (signal) => ({ page: await this.#lastPage(signal), base: null }));
  }

  /** Where a moment is in the list. */
  jump(moment: string): Promise<void> {
    return this.#question ? this.open(this.#question, this.#key, moment) : Promise.resolve();
  }

  /** Takes a page that was asked elsewhere as the beginning of the list. */
  adopt(page: Page): void {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.more = null;
    this.#show(page, 0);
  }

  /** The newest page, for whoever watches the list. */
  peek(signal: AbortSignal): Promise<Page> {
    return this.#page([['limit', String(PAGE_ROWS)]], signal);
  }

  /** Resolves when the page that is on its way is there (or failed), at the latest after so many milliseconds. */
  settled(most: number): Promise<void> {
    if (!this.loading) return Promise.resolve();
    return new Promise((resolve) => {
      this.#settled.push(resolve);
      setTimeout(resolve, most);
    });
  }

  async loadNext(): Promise<void> {
    const cursor = this.#pages.at(-1)?.next;
    if (!cursor) return;
    await this.#extend('next', cursor, (page) => {
      const dropped = this.#drop('first', page.events.length);
      this.#put([...this.#pages, page]);
      if (this.base !== null) this.base += dropped;
      if (dropped > 0) this.onshift(-dropped);
    });
  }

  async loadPrev(): Promise<void> {
    const cursor = this.#pages[0]?.prev;
    if (!cursor) return;
    await this.#extend('prev', cursor, (page) => {
      this.#drop('last', page.events.length);
      this.#put([page, ...this.#pages]);
      if (page.prev === null) this.base = 0;
      else if (this.base !== null) this.base -= page.events.length;
      this.onshift(page.events.length);
    });
  }

  /** Takes pages away at one side until there is room for so many rows; answers how many went. */
  #drop(side: 'first' | 'last', room: number): number {
    let pages = this.#pages;
    let count = this.rows.length;
    let dropped = 0;
    while (pages.length > 1 && count + room > ROWS_MAX) {
      const gone = side === 'first' ? pages[0]! : pages.at(-1)!;
      pages = side === 'first' ? pages.slice(1) : pages.slice(0, -1);
      count -= gone.events.length;
      dropped += gone.events.length;
    }
    this.#pages = pages;
    return dropped;
  }

  #put(pages: Loaded[]): void {
    this.#pages = pages;
    this.rows = pages.flatMap((page) => page.events);
  }

  #page(more: [string, string][], signal: AbortSignal): Promise<Page> {
    const question = this.#question!;
    const names = [...new Set([...NEEDED, ...question.fields])].join(',');
    return api.events(question, [['order', question.order], ['fields', names], ['cut', String(CUT)], ...more], signal);
  }

  async #lastPage(signal: AbortSignal): Promise<Page> {
    const question = this.#question!;
    const edge = await api.events(question, [['order', question.order === 'desc' ? 'asc' : 'desc'], ['fields', 'time'], ['limit', '1']], signal);
    const moment = edge.events[0]?.time;
    if (moment === undefined) return { events: [], next_cursor: null, prev_cursor: null };
    // From the last moment on there are a few rows; a page of those before them comes along.
    const tail = await this.#page([['around', moment], ['limit', String(PAGE_ROWS)]], signal);
    if (tail.prev_cursor === null) return tail;
    const before = await this.#page([['cursor', tail.prev_cursor], ['limit', String(PAGE_ROWS)]], signal);
    return { events: [...before.events, ...tail.events], prev_cursor: before.prev_cursor, next_cursor: tail.next_cursor };
  }

  #show(page: Page, base: number | null): void {
    this.#put([{ events: page.events, prev: page.prev_cursor, next: page.next_cursor }]);
    this.base = base;
    this.error = null;
    this.moreError = null;
    this.answered = this.#key;
  }

  async #replace(ask: (signal: AbortSignal) => Promise<{ page: Page; base: number | null }>): Promise<void> {
    this.#abort.abort();
    const abort = new AbortController();
    this.#abort = abort;
    this.loading = true;
    this.more = null;
    const slow = setTimeout(() => { this.slow = this.#abort === abort; }, SLOW_MS);
    try {
      const { page, base } = await ask(abort.signal);
      if (this.#abort === abort) this.#show(page, base);
    } catch (cause) {
      if (this.#abort === abort && !isAbort(cause)) this.error = asApiError(cause);
    } finally {
      clearTimeout(slow);
      if (this.#abort === abort) {
        this.loading = false;
        this.slow = false;
        for (const resolve of this.#settled.splice(0)) resolve();
      }
    }
  }

  async #extend(side: 'next' | 'prev', cursor: string, take: (page: Loaded) => void): Promise<void> {
    if (this.more !== null || this.loading) return;
    const abort = this.#abort;
    this.more = side;
    this.moreError = null;
    try {
      const page = await this.#page([['cursor', cursor], ['limit', String(PAGE_ROWS)]], abort.signal);
      if (this.#abort === abort) take({ events: page.events, prev: page.prev_cursor, next: page.next_cursor });
    } catch (cause) {
      if (this.#abort === abort && !isAbort(cause)) this.moreError = { side, error: asApiError(cause) };
    } finally {
      if (this.#abort === abort) this.more = null;
    }
  }
}
