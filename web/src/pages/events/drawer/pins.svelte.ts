// Events that were pinned to be compared: at most three. The address names them, so that they outlive a reload and go along
// with a link; whoever compares them asks for them.
import * as api from '$lib/api/calls.ts';
import { asApiError, isAbort } from '$lib/api/errors.ts';
import type { Event } from '$lib/api/types.ts';
import { router } from '$lib/router.svelte.ts';
import { whole } from './related.ts';

export const PINS_MAX = 3;

/** What it takes to find an event again: its id may be shared, and its tenant need not be the one that is shown. */
export interface Pin {
  tenant: string;
  seq: number;
  traceId: string;
}

const written = ({ tenant, seq, traceId }: Pin): string => [tenant, String(seq), traceId].map((part) => encodeURIComponent(part)).join(':');
const pinOf = (event: Event): Pin => ({ tenant: event.tenant, seq: event.seq, traceId: event.trace_id });

/** Reads the pins of an address; what is none of them, or too much, is passed over. */
export function pinsOf(text: string): Pin[] {
  const pins = text.split(',').flatMap((one): Pin[] => {
    try {
      const [tenant = '', seq = '', traceId = '', ...more] = one.split(':').map((part) => decodeURIComponent(part));
      return tenant !== '' && traceId !== '' && /^\d{1,15}$/.test(seq) && more.length === 0 ? [{ tenant, seq: Number(seq), traceId }] : [];
    } catch {
      // A percent sign that begins no escape.
      return [];
    }
  });
  return pins.filter((pin, at) => pins.findIndex((one) => one.seq === pin.seq) === at).slice(0, PINS_MAX);
}

class Pins {
  readonly all: Pin[] = $derived(pinsOf(router.params.get('pins') ?? ''));

  has(event: Event): boolean {
    return this.all.some((one) => one.seq === event.seq);
  }

  toggle(event: Event): void {
    if (this.has(event)) this.drop(event.seq);
    else if (this.all.length < PINS_MAX) this.#write([...this.all, pinOf(event)]);
  }

  drop(seq: number): void {
    this.#write(this.all.filter((one) => one.seq !== seq));
  }

  #write(pins: readonly Pin[]): void {
    router.set({ pins: pins.length === 0 ? null : pins.map(written).join(',') }, { replace: true });
  }
}

export const pins = new Pins();

/** The pinned events with their records; null for one that is not there any more. */
export function pinned(asked: readonly Pin[], signal: AbortSignal): Promise<(Event | null)[]> {
  return Promise.all(asked.map(async ({ tenant, seq, traceId }) => {
    try {
      const found = whole(await api.event(tenant, traceId, signal), seq);
      return found.seq === seq ? found : null;
    } catch (cause) {
      if (isAbort(cause) || asApiError(cause).trouble !== 'not-found') throw cause;
      return null;
    }
  }));
}
