/** The coupons and the further quotas that came out of one quota, each with where it stands now as the events tell. */

import type { Entry } from '../../lib/partner/ledger.ts';
import { ZERO, type Amount } from '../../lib/partner/decimal.ts';

export type CouponStanding = 'out' | 'partly' | 'recalled' | 'unknown';

export interface Coupon {
  id: string;
  customer?: string | undefined;
  /** What it was issued over; null if its issue is not among the events. */
  issued: Amount | null;
  issuedAt?: string | undefined;
  returned: Amount | null;
  returnedAt?: string | undefined;
  /** The event name of the recall. */
  returnedBy?: string | undefined;
  standing: CouponStanding;
  events: number;
}

export interface ChildQuota {
  id: string;
  holder?: string | undefined;
  granted: Amount;
  takenBack: Amount;
  grantedAt?: string | undefined;
  events: number;
}

/** Coupons in the order of their first event. A coupon that was issued and not recalled is out: whether it was spent, no record here tells. */
export function couponsOf(entries: readonly Entry[]): Coupon[] {
  const coupons = new Map<string, Coupon>();
  for (const entry of entries) {
    if (!entry.coupon || entry.event.format !== 'partner') continue;
    const known = coupons.get(entry.coupon);
    const coupon: Coupon = known ?? { id: entry.coupon, issued: null, returned: null, standing: 'unknown', events: 0 };
    coupon.customer ??= entry.customer;
    coupon.events += 1;
    if (entry.effect === 'issue' && entry.change !== null) {
      coupon.issued = (coupon.issued ?? ZERO) - entry.change;
      coupon.issuedAt ??= entry.event.time;
      if (coupon.standing === 'unknown') coupon.standing = 'out';
    } else if (entry.effect === 'return' && entry.change !== null) {
      coupon.returned = (coupon.returned ?? ZERO) + entry.change;
      coupon.returnedAt = entry.event.time;
      coupon.returnedBy = entry.event.event_name;
      coupon.standing = coupon.issued !== null && coupon.returned < coupon.issued ? 'partly' : 'recalled';
    }
    coupons.set(entry.coupon, coupon);
  }
  return [...coupons.values()];
}

export function childrenOf(entries: readonly Entry[]): ChildQuota[] {
  const children = new Map<string, ChildQuota>();
  for (const entry of entries) {
    if (!entry.childQuota) continue;
    const child = children.get(entry.childQuota) ?? { id: entry.childQuota, granted: ZERO, takenBack: ZERO, events: 0 };
    child.holder ??= entry.event.resource_name;
    child.events += 1;
    if (entry.change !== null && entry.effect === 'grantOn') {
      child.granted -= entry.change;
      child.grantedAt ??= entry.event.time;
    } else if (entry.change !== null) {
      child.takenBack += entry.change;
    }
    children.set(entry.childQuota, child);
  }
  return [...children.values()];
}
