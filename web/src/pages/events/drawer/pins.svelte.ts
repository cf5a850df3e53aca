// Events that were pinned to be compared: at most three.
import type { Event } from '$lib/api/types.ts';

export const PINS_MAX = 3;

class Pins {
  events: Event[] = $state.raw([]);

  has(event: Event): boolean {
    return this.events.some((one) => one.seq === event.seq);
  }

  toggle(event: Event): void {
    if (this.has(event)) this.events = this.events.filter((one) => one.seq !== event.seq);
    else if (this.events.length < PINS_MAX) this.events = [...this.events, event];
  }
}

export const pins = new Pins();
