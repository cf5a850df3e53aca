// How far back the store goes for the tenants that are asked: before that there is nothing to compare with.
import { tenants } from '../../lib/api/calls.ts';

/** The oldest event of the tenants of an address, in milliseconds; null if they have none. */
export async function oldestOf(tenant: string, signal: AbortSignal): Promise<number | null> {
  const chosen = tenant.split(',');
  const known = (await tenants(signal)).filter((one) => chosen.includes('*') || chosen.includes(one.tenant));
  const times = known.flatMap((one) => (one.oldest === null ? [] : [Date.parse(one.oldest)]));
  return times.length === 0 ? null : Math.min(...times);
}
