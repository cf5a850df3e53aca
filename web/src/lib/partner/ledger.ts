/**
 * The life of one quota as its events tell it: what was granted, issued and recalled, and what that leaves.
 *
 * Only records of the partner centre (`format=partner`) that succeeded move the balance. A cloud trace of the same call is
 * evidence of who did it, not a second movement. What an event does not say is not filled in: a quota whose grant is not
 * among the events has no face value and no balance here, only a change since its first event.
 *
 *   balance = granted − taken back from the partner − issued + recalled coupons − granted on to others + taken back from them
 */

import { parseAmount, ZERO, type Amount } from './decimal.ts';

/** The part of an event that a ledger reads. */
export interface LedgerEvent {
  tenant: string;
  seq: number;
  trace_id: string;
  time: string;
  time_suspect?: boolean;
  format?: string | undefined;
  event_name?: string | undefined;
  resource_type?: string | undefined;
  resource_id?: string | undefined;
  resource_name?: string | undefined;
  operator?: string | undefined;
  source?: string | undefined;
  level?: string | undefined;
  code?: string | undefined;
  amount?: string | undefined;
  currency?: string | undefined;
  related_ids?: string[];
}

/** What an event does to the balance of the quota. */
export type Effect = 'grant' | 'takeBack' | 'issue' | 'return' | 'grantOn' | 'takeBackFrom' | 'state' | 'transfer' | 'evidence';
export type Outcome = 'done' | 'failed' | 'unclear';

export interface Entry {
  event: LedgerEvent;
  effect: Effect;
  outcome: Outcome;
  /** The amount that the record names; null if it names none. */
  amount: Amount | null;
  /** What the balance changes by; null if the event does not move it, or does not say by how much. */
  change: Amount | null;
  /** The sum of all changes up to here. */
  running: Amount;
  coupon?: string | undefined;
  customer?: string | undefined;
  childQuota?: string | undefined;
}

export interface Totals {
  granted: Amount;
  takenBack: Amount;
  issued: Amount;
  returned: Amount;
  grantedOn: Amount;
  takenBackFrom: Amount;
  /** Recalled coupons by event name: `unbindRecallCoupon` and so on. */
  returnedBy: Map<string, { amount: Amount; count: number }>;
}

/** Where the events alone do not suffice to know. */
export type Doubt =
  | { kind: 'noGrant' }
  | { kind: 'belowZero'; entry: Entry }
  | { kind: 'unclear'; entries: Entry[] }
  | { kind: 'noAmount'; entries: Entry[] }
  | { kind: 'transfer'; entries: Entry[] }
  | { kind: 'leftAfterTakeBack'; entry: Entry; left: Amount; explainedBy: string[] }
  | { kind: 'currencies'; currencies: string[] }
  | { kind: 'tenants'; tenants: string[] };

export interface Ledger {
  entries: Entry[];
  totals: Totals;
  /** What is left; null where the events do not tell. */
  balance: Amount | null;
  net: Amount;
  holder: { id: string | undefined; name: string | undefined };
  parent?: string | undefined;
  currencies: string[];
  doubts: Doubt[];
}

/** Event names of coupons that went back to their quota, and what brought it about. */
export const RETURNS = [
  'recallCoupon',
  'unbindRecallCoupon',
  'expireRecallCoupon',
  'unsubscribeRecallCoupon',
  'refundRecallCoupon',
  'associateRecallCoupon',
  'switchModeRecallCoupon',
] as const;

/** Ids of a kind that an event names. */
export function relatedIds(event: { related_ids?: string[] }, kind: string): string[] {
  const prefix = `${kind}:`;
  return (event.related_ids ?? []).filter((id) => id.startsWith(prefix)).map((id) => id.slice(prefix.length));
}

/** The ledger of a quota from its events, oldest first. */
export function ledgerOf(quota: string, events: readonly LedgerEvent[]): Ledger {
  const entries: Entry[] = [];
  let running = ZERO;
  for (const event of events) {
    const entry = entryOf(quota, event);
    if (entry.change !== null) running += entry.change;
    entries.push({ ...entry, running });
  }
  const totals = totalsOf(entries);
  const hasGrant = entries.some((entry) => entry.effect === 'grant' && entry.change !== null);
  const own = entries.find((entry) => isOwnQuotaRecord(quota, entry.event))?.event;
  const currencies = distinct(entries.flatMap((entry) => (moves(entry) ? (entry.event.currency ?? '') : [])));
  return {
    entries,
    totals,
    balance: hasGrant && distinct(entries.map((entry) => entry.event.tenant)).length === 1 && currencies.length <= 1 ? running : null,
    net: running,
    holder: { id: own && relatedIds(own, 'reseller')[0], name: own?.resource_name },
    parent: own && relatedIds(own, 'parent_quota')[0],
    currencies,
    doubts: doubtsOf(entries, hasGrant, currencies),
  };
}

/** What happened, of an event's result. A record without a result tells of something that was done. */
export function outcomeOf(event: LedgerEvent): Outcome {
  if (event.code === '0' || event.code === undefined) return 'done';
  return event.code === '-1' ? 'failed' : 'unclear';
}

function entryOf(quota: string, event: LedgerEvent): Omit<Entry, 'running'> {
  const effect = effectOf(quota, event);
  const amount = parseAmount(event.amount);
  const outcome = effect === 'state' || effect === 'evidence' ? 'done' : outcomeOf(event);
  const sign = SIGNS[effect];
  const change = sign === undefined || outcome !== 'done' || amount === null ? null : sign * amount;
  return {
    event,
    effect,
    outcome,
    amount,
    change,
    coupon: relatedIds(event, 'coupon')[0],
    customer: relatedIds(event, 'customer')[0],
    childQuota: effect === 'grantOn' || effect === 'takeBackFrom' ? relatedIds(event, 'quota')[0] : undefined,
  };
}

const SIGNS: Partial<Record<Effect, bigint>> = { grant: 1n, takeBack: -1n, issue: -1n, return: 1n, grantOn: -1n, takeBackFrom: 1n };

function effectOf(quota: string, event: LedgerEvent): Effect {
  if (event.format !== 'partner') return 'evidence';
  const own = relatedIds(event, 'quota').includes(quota);
  switch (event.event_name) {
    case 'grantCouponQuota':
      return own ? 'grant' : 'grantOn';
    case 'recallCouponQuota':
      return own ? 'takeBack' : 'takeBackFrom';
    case 'couponQuotaState':
      return own ? 'state' : 'evidence';
    case 'issueCoupon':
      return own ? 'issue' : 'evidence';
    case 'transferRecallCoupon':
      return own ? 'transfer' : 'evidence';
    default:
      return own && (RETURNS as readonly string[]).includes(event.event_name ?? '') ? 'return' : 'evidence';
  }
}

function totalsOf(entries: readonly Entry[]): Totals {
  const of = (effect: Effect) => entries.reduce((total, entry) => (entry.effect === effect ? total + size(entry) : total), ZERO);
  const returnedBy: Totals['returnedBy'] = new Map();
  for (const entry of entries) {
    if (entry.effect !== 'return' || entry.change === null) continue;
    const name = entry.event.event_name ?? '';
    const before = returnedBy.get(name) ?? { amount: ZERO, count: 0 };
    returnedBy.set(name, { amount: before.amount + entry.change, count: before.count + 1 });
  }
  return {
    granted: of('grant'),
    takenBack: of('takeBack'),
    issued: of('issue'),
    returned: of('return'),
    grantedOn: of('grantOn'),
    takenBackFrom: of('takeBackFrom'),
    returnedBy,
  };
}

function doubtsOf(entries: readonly Entry[], hasGrant: boolean, currencies: string[]): Doubt[] {
  const doubts: Doubt[] = [];
  const tenants = distinct(entries.map((entry) => entry.event.tenant));
  const relevant = entries.filter((entry) => entry.effect in SIGNS);
  const unclear = relevant.filter((entry) => entry.outcome === 'unclear');
  const noAmount = relevant.filter((entry) => entry.outcome === 'done' && entry.amount === null);
  const transfers = entries.filter((entry) => entry.effect === 'transfer' && entry.outcome === 'done');
  const below = hasGrant ? entries.find((entry) => entry.change !== null && entry.running < ZERO) : undefined;
  if (tenants.length > 1) doubts.push({ kind: 'tenants', tenants });
  if (currencies.length > 1) doubts.push({ kind: 'currencies', currencies });
  if (!hasGrant && entries.length > 0) doubts.push({ kind: 'noGrant' });
  if (below) doubts.push({ kind: 'belowZero', entry: below });
  if (unclear.length > 0) doubts.push({ kind: 'unclear', entries: unclear });
  if (noAmount.length > 0) doubts.push({ kind: 'noAmount', entries: noAmount });
  if (transfers.length > 0) doubts.push({ kind: 'transfer', entries: transfers });
  return hasGrant ? [...doubts, ...takeBackDoubts(entries)] : doubts;
}

/**
 * Taking a quota back may take all that is left or a part of it: the record does not say. Where what the events leave is to
 * the cent what some kinds of recalled coupons brought back, those recalls may not have gone back to this quota at all.
 */
function takeBackDoubts(entries: readonly Entry[]): Doubt[] {
  const doubts: Doubt[] = [];
  const returned = new Map<string, Amount>();
  for (const entry of entries) {
    if (entry.change === null) continue;
    if (entry.effect === 'return') {
      const name = entry.event.event_name ?? '';
      returned.set(name, (returned.get(name) ?? ZERO) + entry.change);
    }
    if (entry.effect !== 'takeBack' || entry.running <= ZERO) continue;
    const same = kindsThatSumTo(entry.running, [...returned]);
    if (same) doubts.push({ kind: 'leftAfterTakeBack', entry, left: entry.running, explainedBy: same });
  }
  return doubts;
}

/** The fewest kinds whose amounts add up to `target`; there are seven kinds at most. */
function kindsThatSumTo(target: Amount, kinds: readonly [string, Amount][]): string[] | null {
  let best: string[] | null = null;
  for (let mask = 1; mask < 1 << kinds.length; mask++) {
    const chosen = kinds.filter((_, place) => mask & (1 << place));
    const total = chosen.reduce((sum, [, amount]) => sum + amount, ZERO);
    if (total === target && (best === null || chosen.length < best.length)) best = chosen.map(([name]) => name);
  }
  return best;
}

function size(entry: Entry): Amount {
  if (entry.change === null) return ZERO;
  return entry.change < ZERO ? -entry.change : entry.change;
}

function moves(entry: Entry): boolean {
  return entry.change !== null;
}

function isOwnQuotaRecord(quota: string, event: LedgerEvent): boolean {
  return event.format === 'partner' && event.resource_type === 'couponQuota' && event.resource_id === quota;
}

function distinct(values: readonly string[]): string[] {
  return [...new Set(values)];
}
