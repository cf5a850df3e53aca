// What the server adds the events of a quota up to, and the state that a record tells.
import { ask } from '../../lib/api/client.ts';
import { questionParams } from '../../lib/api/calls.ts';
import type { Page } from '../../lib/api/types.ts';
import { condition, EMPTY, type Filter } from '../../lib/filter/model.ts';
import { parseAmount, ZERO, type Amount } from '../../lib/partner/decimal.ts';
import { RETURNS, type Totals } from '../../lib/partner/ledger.ts';
import { rawMember } from '../../lib/partner/raw.ts';
import { stats } from '../dashboards/questions.ts';

/** Everything that names the quota, or that was granted on from it. */
export function lifeFilter(quota: string): Filter {
  return { ...EMPTY, conditions: [condition('related_ids', 'is', `quota:${quota}`, `parent_quota:${quota}`)] };
}

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
