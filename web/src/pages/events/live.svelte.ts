// Live tail: asks for the newest page every other second and says how many of its events are new. Whether they are shown
// at once is for the view to say: only while nobody reads.
import { isAbort } from '$lib/api/errors.ts';
import type { Event, Page } from '$lib/api/types.ts';
import type { EventList } from './list.svelte.ts';

const EVERY_MS = 2_000;

export class LiveTail {
  on = $state(false);
  /** Events of the newest page that the list does not show; `full` when all of it is new, so there may be more. */
  fresh = $state(0);
  full = $state(false);
  failed = $state(false);
  /** Rises whenever the tail finds events that it did not find before. */
  arrivals = $state(0);
  #newest = 0;
  #page: Page | null = null;
  readonly #list: EventList;
  #known = new Set<number>();
  #knownFor: string | null = null;

  readonly #shown: () => void;

  /** `shown` hears that the newest events were put in; `follow` says whether new rows may be put in now; `arrived` hears that there are some. */
  constructor(list: EventList, shown: () => void, follow: () => boolean, arrived: () => void) {
    this.#list = list;
    this.#shown = shown;
    $effect(() => {
      if (!this.on) {
        this.fresh = 0;
        return undefined;
      }
      const abort = new AbortController();
      let timer: ReturnType<typeof setTimeout>;
      const turn = async (): Promise<void> => {
        if (!document.hidden) await this.#look(abort.signal, follow, arrived);
        if (!abort.signal.aborted) timer = setTimeout(() => void turn(), EVERY_MS);
      };
      void turn();
      return () => {
        abort.abort();
        clearTimeout(timer);
      };
    });
  }

  /** Shows what is new. */
  show(): void {
    if (this.#page) {
      this.#list.adopt(this.#page);
      this.#shown();
    }
    this.#remember(this.#page?.events ?? []);
    this.#page = null;
    this.fresh = 0;
    this.full = false;
  }

  #remember(events: readonly Event[]): void {
    this.#known = new Set(events.map((event) => event.seq));
    this.#knownFor = this.#list.answered;
  }

  async #look(signal: AbortSignal, follow: () => boolean, arrived: () => void): Promise<void> {
    const { answered, loading } = this.#list;
    if (answered === null || loading) return;
    try {
      const page = await this.#list.peek(signal);
      if (this.#list.answered !== answered || this.#list.loading) return;
      this.failed = false;
      // What the top of this question had when the tail first looked, or when new events were last shown.
      if (this.#knownFor !== answered) this.#remember(this.#list.atStart ? this.#list.rows : page.events);
      const last = this.#list.atStart ? this.#list.rows.at(-1) : undefined;
      const shown = (event: Event): boolean => this.#known.has(event.seq) || (last !== undefined && !this.#list.atEnd && older(event, last));
      const fresh = page.events.filter((event) => !shown(event));
      this.#page = page;
      if (fresh.length > this.fresh) arrived();
      const newest = Math.max(0, ...fresh.map((event) => event.seq));
      if (newest > this.#newest) this.arrivals += 1;
      this.#newest = Math.max(this.#newest, newest);
      this.fresh = fresh.length;
      this.full = fresh.length > 0 && fresh.length === page.events.length;
      if (fresh.length > 0 && follow()) this.show();
    } catch (cause) {
      if (!isAbort(cause)) this.failed = true;
    }
  }
}

/** Whether an event lies after another one in a list that begins with the newest. */
function older(event: Event, than: Event): boolean {
  const [left, right] = [Date.parse(event.time), Date.parse(than.time)];
  return left < right || (left === right && event.seq < than.seq);
}
