// Where the pages on quotas and customers lead: to each other, and into the list.
import { context } from '../context.svelte.ts';
import { condition, EMPTY, type Filter } from '../filter/model.ts';
import { address } from '../filter/words.ts';

export const linkToQuota = (id: string, tenant?: string): string => address('/quota', EMPTY, [...sharedWith(tenant), ['id', id]]);
export const linkToCustomer = (id: string, tenant?: string): string => address('/relation', EMPTY, [...sharedWith(tenant), ['customer', id]]);
export const linkToList = (filter: Filter): string => address('/', filter, context.shared);

/** One event, open, in a list of itself. */
export const linkToEvent = (event: { trace_id: string; seq: number }): string =>
  address('/', { ...EMPTY, conditions: [condition('trace_id', 'is', event.trace_id)] }, [...context.shared, ['event', event.trace_id], ['seq', String(event.seq)]]);

/** The events of a tenant with one id, the first of them open: whoever may not see it is told so there. */
export const linkToEvidence = (traceId: string, tenant: string | undefined): string =>
  address('/', { ...EMPTY, conditions: [condition('trace_id', 'is', traceId)] }, [...sharedWith(tenant), ['event', traceId]]);

export const linkToEvents = (traceIds: readonly string[]): string => linkToList({ ...EMPTY, conditions: [condition('trace_id', 'is', ...traceIds)] });

function sharedWith(tenant: string | undefined): [string, string][] {
  const pairs = context.shared;
  return tenant === undefined ? pairs : [['tenant', tenant], ...pairs.filter(([name]) => name !== 'tenant')];
}
