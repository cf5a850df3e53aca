// Events of the partner centre, all that match.
import { ask } from '../api/client.ts';
import { questionParams } from '../api/calls.ts';
import type { Event, Page } from '../api/types.ts';
import type { Filter } from '../filter/model.ts';
import type { LedgerEvent } from './ledger.ts';

/** Pages are of the most events that the server gives at once; more of them than this are not loaded. */
const PAGE_ROWS = 1_000;
export const EVENTS_MAX = 20_000;

export interface Loaded {
  events: LedgerEvent[];
  /** How many there are; more than `events` has if there are too many. */
  total: number;
  whole: boolean;
}

/** Events that match, oldest first, up to `EVENTS_MAX`. */
export async function loadAll(tenant: string, filter: Filter, signal: AbortSignal): Promise<Loaded> {
  const events: LedgerEvent[] = [];
  let total = 0;
  let cursor: string | null = null;
  do {
    const paging: [string, string][] = cursor === null ? [['total', 'true']] : [['cursor', cursor]];
    const params: [string, string][] = [...questionParams({ tenant, filter }), ['order', 'asc'], ['limit', String(PAGE_ROWS)], ...paging];
    const page: Page = await ask<Page>('/api/v1/events', params, { signal });
    events.push(...page.events.map(asLedgerEvent));
    total = page.total ?? total;
    cursor = page.next_cursor;
  } while (cursor !== null && events.length < EVENTS_MAX);
  return { events, total: Math.max(total, events.length), whole: cursor === null };
}

export const asLedgerEvent = (event: Event): LedgerEvent => event as unknown as LedgerEvent;
