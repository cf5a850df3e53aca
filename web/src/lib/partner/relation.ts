/**
 * The life of one customer relationship as its events tell it.
 *
 * No record says "this customer was unbound" as a whole. Four kinds of records tell of it, each from its own interface and
 * without a common key: the request in the cloud trace, the coupons and the account that were emptied, the budget that was
 * deleted. They are put together here by customer and time: an inference, and the page says so.
 */

import { outcomeOf, relatedIds, type LedgerEvent, type Outcome } from './ledger.ts';
import { parseAmount, ZERO, type Amount } from './decimal.ts';

/** How long after a request its effects may come and still be put down to it. */
export const EPISODE_DAYS = 7;
const EPISODE_MS = EPISODE_DAYS * 86_400_000;
/** Effects may carry a stamp of whole seconds, and a request one of milliseconds. */
const SLACK_MS = 5 * 60_000;

export type Sign = 'request' | 'coupons' | 'account' | 'ledgerLine' | 'budget';
export const SIGNS: readonly Sign[] = ['request', 'coupons', 'account', 'ledgerLine', 'budget'];

/** What an event is in a relationship. */
export type Role = 'bind' | Sign | 'switchRecall' | 'couponIn' | 'couponOut' | 'accountIn' | 'accountOut' | 'budgetSet' | 'other';

export interface Fact {
  event: LedgerEvent;
  role: Role;
  outcome: Outcome;
  amount: Amount | null;
}

/** One ending (or change of mode) of a relationship: the records that tell of it. */
export interface Episode {
  kind: 'unbind' | 'switch' | 'unclear';
  start: string;
  end: string;
  facts: Fact[];
  /** Which of the kinds of evidence are there. */
  signs: Set<Sign>;
  coupons: { count: number; amount: Amount };
  account: { count: number; amount: Amount };
}

export interface Relation {
  facts: Fact[];
  episodes: Episode[];
  binds: Fact[];
  /** Events before the first episode, and after the last one ended. */
  before: Fact[];
  after: Fact[];
  names: string[];
  resellers: string[];
  tenants: string[];
}

const ROLES: Record<string, Role> = {
  addBpInviteTraceLog: 'bind',
  customerEnter: 'bind',
  confirmCustomerAgentAuthorizationApply: 'bind',
  associateRecallCoupon: 'bind',
  accountChangeAssociate: 'bind',
  applyUnbindOrSwitchCooperation: 'request',
  unbindRecallCoupon: 'coupons',
  switchModeRecallCoupon: 'switchRecall',
  unbindRetrieveAccountAmount: 'account',
  accountChangeUnbindRetrieve: 'ledgerLine',
  deleteCustomerBudget: 'budget',
  setCustomerBudget: 'budgetSet',
  issueCoupon: 'couponIn',
  grantAccountAmount: 'accountIn',
  accountChangeGrant: 'accountIn',
  retrieveAccountAmount: 'accountOut',
  accountChangeRetrieve: 'accountOut',
};

/** The relationship of a customer from its events, oldest first. */
export function relationOf(customer: string, events: readonly LedgerEvent[]): Relation {
  const facts = events.map(factOf);
  const episodes = episodesOf(facts);
  const first = episodes[0];
  const last = episodes.at(-1);
  const inEpisode = new Set(episodes.flatMap((episode) => episode.facts));
  const outside = facts.filter((fact) => !inEpisode.has(fact));
  // A budget is named after the partner, not the customer.
  const own = events.filter((event) => event.resource_id === customer && event.resource_type !== 'budget');
  return {
    facts,
    episodes,
    binds: facts.filter((fact) => fact.role === 'bind'),
    before: first ? outside.filter((fact) => fact.event.time < first.start) : facts,
    after: last ? outside.filter((fact) => fact.event.time > last.end) : [],
    names: distinct(own.flatMap((event) => event.resource_name ?? [])),
    resellers: distinct(events.flatMap((event) => relatedIds(event, 'reseller'))),
    tenants: distinct(events.map((event) => event.tenant)),
  };
}

function factOf(event: LedgerEvent): Fact {
  const name = event.event_name ?? '';
  const coupon = event.resource_type === 'coupon' && name.endsWith('RecallCoupon');
  const role = ROLES[name] ?? (coupon || name === 'recallCoupon' ? 'couponOut' : 'other');
  const outcome = event.format === 'partner' ? outcomeOf(event) : traceOutcome(event);
  return { event, role, outcome, amount: parseAmount(event.amount) };
}

/** A cloud trace says by its level whether the call went through. */
function traceOutcome(event: LedgerEvent): Outcome {
  if (event.level === 'normal') return 'done';
  return event.level === undefined ? 'unclear' : 'failed';
}

function episodesOf(facts: readonly Fact[]): Episode[] {
  const telling = facts.filter((fact) => isSign(fact.role) || fact.role === 'switchRecall');
  const groups: Fact[][] = [];
  for (const fact of telling) {
    const group = groups.at(-1);
    if (group && belongs(group, fact)) group.push(fact);
    else groups.push([fact]);
  }
  return groups.map(episodeOf);
}

/** A new request opens a new episode, unless it is stamped just after effects of its own. */
function belongs(group: readonly Fact[], fact: Fact): boolean {
  const start = Date.parse(group[0]!.event.time);
  const at = Date.parse(fact.event.time);
  if (at - start > EPISODE_MS) return false;
  const hasRequest = group.some((other) => other.role === 'request' && other.outcome === 'done');
  return fact.role !== 'request' || (!hasRequest && at - start <= SLACK_MS);
}

function episodeOf(facts: Fact[]): Episode {
  const done = facts.filter((fact) => fact.outcome === 'done');
  const of = (...roles: Role[]) => {
    const own = done.filter((fact) => roles.includes(fact.role));
    return { count: own.length, amount: own.reduce((total, fact) => total + (fact.amount ?? ZERO), ZERO) };
  };
  const signs = new Set<Sign>(done.flatMap((fact) => (isSign(fact.role) ? fact.role : [])));
  const unbinds = ['coupons', 'account', 'ledgerLine', 'budget'].some((sign) => signs.has(sign as Sign));
  const switches = done.some((fact) => fact.role === 'switchRecall');
  return {
    kind: unbinds ? 'unbind' : switches ? 'switch' : 'unclear',
    start: facts[0]!.event.time,
    end: facts.at(-1)!.event.time,
    facts,
    signs,
    coupons: of('coupons', 'switchRecall'),
    account: of('account'),
  };
}

function isSign(role: Role): role is Sign {
  return (SIGNS as readonly string[]).includes(role);
}

function distinct(values: readonly string[]): string[] {
  return [...new Set(values)];
}
