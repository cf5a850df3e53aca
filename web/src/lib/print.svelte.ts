// Whether the page is being printed: what shows only a part of its rows then shows what it has, and drawings are made anew in
// the colours of paper. Told before the browser lays out the pages, so that it happens in time.
import { flushSync } from 'svelte';
import { theme } from './theme.svelte.ts';

/** Rows of a table that are printed at most; what is left out is said where the table says how many it shows. */
export const PRINTED_ROWS = 2_000;

class Printing {
  on = $state(false);
  /** When the printing began. */
  at = $state(0);

  constructor() {
    const media = matchMedia('print');
    this.#set(media.matches);
    media.addEventListener('change', (event) => this.#set(event.matches));
    window.addEventListener('beforeprint', () => this.#set(true));
    window.addEventListener('afterprint', () => this.#set(media.matches));
  }

  #set(on: boolean): void {
    if (on === this.on) return;
    flushSync(() => {
      this.on = on;
      if (on) this.at = Date.now();
      theme.redraw();
    });
  }

  /** How many rows of a table are drawn that shows so many at a time. */
  rows(limit: number): number {
    return this.on ? Math.max(limit, PRINTED_ROWS) : limit;
  }
}

export const printing = new Printing();
