// The events of a quota, all of them, and what the server adds them up to.
import { ask } from '../../lib/api/client.ts';
import { questionParams } from '../../lib/api/calls.ts';
import type { Event, Page } from '../../lib/api/types.ts';
import { condition, EMPTY, type Filter } from '../../lib/filter/model.ts';
import { stats } from '../dashboards/questions.ts';
import { parseAmount, ZERO, type Amount } from './decimal.ts';
import { RETURNS, type LedgerEvent, type Totals } from './ledger.ts';
import { rawMember } from './raw.ts';

/** Pages are of the most events that the server gives at once; more of them than this are not loaded. */
const PAGE_ROWS = 1_000;
export const EVENTS_MAX = 20_000;

export interface Loaded {
  events: LedgerEvent[];
  /** How many there are; more than `events` has if there are too many. */
  total: number;
  whole: boolean;
}

/** Everything that names the quota, or that was granted on from it. */
export function lifeFilter(quota: string): Filter {
  return { ...EMPTY, conditions: [condition('related_ids', 'is', `quota:${quota}`, `parent_quota:${quota}`)] };
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

/** The sums of the same records as the server makes them, to hold the ledger against. */
export async function storeSums(tenant: string, quota: string, signal: AbortSignal): Promise<Omit<Totals, 'returnedBy'>> {
  const done = [condition('format', 'is', 'partner'), condition('level', 'is', 'normal')];
  const own: Filter = { ...EMPTY, conditions: [condition('related_ids', 'is', `quota:${quota}`), ...done] };
  const below: Filter = { ...EMPTY, conditions: [condition('related_ids', 'is', `parent_quota:${quota}`), ...done] };
  const [ours, theirs] = await Promise.all([own, below].map((filter) => stats({ tenant, filter }, 'event_name', 1_000, signal)));
  const sumOf = (answer: typeof ours, names: readonly string[]): Amount =>
    answer!.groups.filter((group) => names.includes(group.value ?? '')).reduce((sum, group) => sum + (parseAmount(group.sum) ?? ZERO), ZERO);
  return {
    granted: sumOf(ours, ['grantCouponQuota']),
    takenBack: sumOf(ours, ['recallCouponQuota']),
    issued: sumOf(ours, ['issueCoupon']),
    returned: sumOf(ours, RETURNS),
    grantedOn: sumOf(theirs, ['grantCouponQuota']),
    takenBackFrom: sumOf(theirs, ['recallCouponQuota']),
  };
}

/** A state of the quota as a record told it. */
export interface StatedState {
  time: string;
  traceId: string;
  balance: string | null;
  status: string | null;
  effective: string | null;
  expires: string | null;
}

/** The newest record of the quota's state, if there is one. */
export async function statedState(tenant: string, quota: string, signal: AbortSignal): Promise<StatedState | null> {
  const filter: Filter = { ...EMPTY, conditions: [condition('related_ids', 'is', `quota:${quota}`), condition('event_name', 'is', 'couponQuotaState')] };
  const params: [string, string][] = [...questionParams({ tenant, filter }), ['limit', '1'], ['original', 'true']];
  const { events } = await ask<Page>('/api/v1/events', params, { signal });
  const [event] = events;
  if (!event) return null;
  const member = (key: string): string | null => rawMember(event.original ?? '', key);
  return { time: event.time, traceId: event.trace_id, balance: member('balance'), status: member('quota_status'), effective: member('effective_time'), expires: member('expire_time') };
}
