// Amounts granted, recalled and issued, by partner, added up exactly.
//
// A record of a quota names the partner that holds it; a record of a coupon names only its quota. So coupons are added up by
// quota, and each quota is put down to the partner that its grant names, whenever that was. A quota whose grant is not in the
// store stays a row of its own: its partner is not known, and is not guessed.
import { session } from '../../lib/access/session.svelte.ts';
import { questionParams, type Question } from '../../lib/api/calls.ts';
import { ask, send } from '../../lib/api/client.ts';
import { ApiError } from '../../lib/api/errors.ts';
import type { Page } from '../../lib/api/types.ts';
import { condition, EMPTY, type Filter } from '../../lib/filter/model.ts';
import { parseAmount, ZERO, type Amount } from '../../lib/partner/decimal.ts';
import { RETURNS, relatedIds } from '../../lib/partner/ledger.ts';
import { count, narrow, stats, type Stats } from './questions.ts';

export interface Sum {
  amount: Amount;
  count: number;
}

export interface QuotaRow {
  quota: string;
  issued: Sum;
  returned: Sum;
}

export interface PartnerRow {
  /** Null for records that name no partner, and for quotas whose grant is not in the store. */
  id: string | null;
  name?: string;
  granted: Sum;
  recalled: Sum;
  issued: Sum;
  returned: Sum;
  quotas: QuotaRow[];
}

export type Figure = 'granted' | 'recalled' | 'issued' | 'returned';
export const FIGURES: readonly Figure[] = ['granted', 'recalled', 'issued', 'returned'];
/** The event names whose amounts a figure adds up. */
export const NAMES: Record<Figure, readonly string[]> = {
  granted: ['grantCouponQuota'],
  recalled: ['recallCouponQuota'],
  issued: ['issueCoupon'],
  returned: RETURNS,
};

/** What each figure is grouped by: quotas name their partner, coupons their quota. */
const BY: Record<Figure, string> = { granted: 'related_ids.reseller', recalled: 'related_ids.reseller', issued: 'related_ids.quota', returned: 'related_ids.quota' };

export interface Amounts {
  totals: Record<Figure, Sum>;
  /** By currency, if the records name more than one: then nothing is added up across. */
  currencies: { currency: string | null; totals: Record<Figure, Sum> }[] | null;
  partners: PartnerRow[];
  /** Set if there are too many grants to trace each quota to its partner here. */
  untraced: number | null;
}

/** The most grants that are read to trace quotas to partners. */
const TRACED_MAX = 50_000;
const GROUPS_MAX = 10_000;
const none = (): Sum => ({ amount: ZERO, count: 0 });

/** The records that a figure adds up: those of the partner centre that succeeded. Null if the filter leaves none. */
export function figureFilter(filter: Filter, figure: Figure): Filter | null {
  const partner = narrow(filter, 'format', ['partner']);
  const done = partner && narrow(partner, 'level', ['normal']);
  return done && narrow(done, 'event_name', NAMES[figure]);
}

export async function amountsOf({ tenant, filter }: Question, signal: AbortSignal): Promise<Amounts> {
  const asked = new Map<Figure, Question | null>(
    FIGURES.map((figure) => {
      const own = figureFilter(filter, figure);
      return [figure, own && { tenant, filter: own }];
    }),
  );
  const [byCurrency, holders, granted, recalled, issued, returned] = await Promise.all([
    Promise.all(FIGURES.map((figure) => grouped(asked.get(figure)!, 'currency', signal))),
    holdersOf(tenant, signal),
    ...FIGURES.map((figure) => grouped(asked.get(figure)!, BY[figure], signal)),
  ] as const);
  const totals = totalsOf(byCurrency);
  const currencies = [...new Set(byCurrency.flatMap((groups) => [...groups.keys()]))];
  if (currencies.length > 1) {
    const rows = currencies.map((currency) => ({ currency, totals: totalsOf(byCurrency.map((groups) => new Map([[currency, groups.get(currency) ?? none()]]))) }));
    return { totals, currencies: rows, partners: [], untraced: null };
  }
  const untraced = typeof holders === 'number' ? holders : null;
  const known = typeof holders === 'number' ? { byQuota: new Map<string, string>(), names: new Map<string, string>() } : holders;
  return { totals, currencies: null, partners: rowsOf(granted!, recalled!, quotaRows(issued!, returned!), known), untraced };
}

type Groups = Map<string | null, Sum>;

interface Holders {
  byQuota: Map<string, string>;
  names: Map<string, string>;
}

function totalsOf(byFigure: readonly Groups[]): Record<Figure, Sum> {
  const total = (groups: Groups): Sum => [...groups.values()].reduce(plus, none());
  const [granted, recalled, issued, returned] = byFigure.map(total);
  return { granted: granted!, recalled: recalled!, issued: issued!, returned: returned! };
}

function plus(left: Sum, right: Sum): Sum {
  return { amount: left.amount + right.amount, count: left.count + right.count };
}

function quotaRows(issued: Groups, returned: Groups): QuotaRow[] {
  const quotas = new Set([...issued.keys(), ...returned.keys()]);
  return [...quotas].map((quota) => ({ quota: quota ?? '', issued: issued.get(quota) ?? none(), returned: returned.get(quota) ?? none() }));
}

function rowsOf(granted: Groups, recalled: Groups, quotas: readonly QuotaRow[], holders: Holders): PartnerRow[] {
  const rows = new Map<string | null, PartnerRow>();
  const rowOf = (id: string | null): PartnerRow => {
    const known = rows.get(id);
    if (known) return known;
    const row: PartnerRow = { id, granted: none(), recalled: none(), issued: none(), returned: none(), quotas: [] };
    const name = id === null ? undefined : holders.names.get(id);
    if (name !== undefined) row.name = name;
    rows.set(id, row);
    return row;
  };
  for (const [id, sum] of granted) rowOf(id).granted = sum;
  for (const [id, sum] of recalled) rowOf(id).recalled = sum;
  for (const quota of quotas) {
    const row = rowOf(holders.byQuota.get(quota.quota) ?? null);
    row.issued = plus(row.issued, quota.issued);
    row.returned = plus(row.returned, quota.returned);
    row.quotas.push(quota);
  }
  for (const row of rows.values()) row.quotas.sort((left, right) => Number(right.issued.amount - left.issued.amount) || left.quota.localeCompare(right.quota));
  const weight = (row: PartnerRow): bigint => row.granted.amount + row.issued.amount;
  return [...rows.values()].sort((left, right) => (weight(right) > weight(left) ? 1 : weight(right) < weight(left) ? -1 : 0));
}

/** Sums by the values of a field. */
async function grouped(question: Question | null, by: string, signal: AbortSignal): Promise<Groups> {
  if (question === null) return new Map();
  return groupsOf(await stats(question, by, GROUPS_MAX, signal));
}

function groupsOf(answer: Stats): Groups {
  if (answer.groups_total > answer.groups.length) throw new ApiError('answer', `${answer.groups_total} groups, ${answer.groups.length} sent`);
  return new Map(answer.groups.map((group) => [group.value, { amount: parseAmount(group.sum) ?? ZERO, count: group.count }]));
}

/** Who holds each quota, as the grants of all time tell; the number of grants if there are too many to read. */
async function holdersOf(tenant: string, signal: AbortSignal): Promise<Holders | number> {
  const filter: Filter = { ...EMPTY, conditions: [condition('format', 'is', 'partner'), condition('event_name', 'is', 'grantCouponQuota')] };
  const grants = await count(tenant, filter);
  if (grants > TRACED_MAX) return grants;
  const holders: Holders = { byQuota: new Map(), names: new Map() };
  for (const record of await rowsOfRecords({ tenant, filter }, ['resource_id', 'resource_name', 'related_ids'], signal)) {
    const reseller = relatedIds(record as { related_ids?: string[] }, 'reseller')[0];
    if (reseller === undefined) continue;
    if (typeof record['resource_id'] === 'string') holders.byQuota.set(record['resource_id'], reseller);
    // Newest first: the newest name counts.
    if (typeof record['resource_name'] === 'string' && !holders.names.has(reseller)) holders.names.set(reseller, record['resource_name']);
  }
  return holders;
}

type Row = Record<string, unknown>;
/** The most events that the server gives at once. */
const PAGE_ROWS = 1_000;

/** All records that match, a few columns of each: as an export, or page by page for those who do not export. */
function rowsOfRecords(question: Question, columns: string[], signal: AbortSignal): Promise<Row[]> {
  return session.rights.has('export') ? exportedRows(question, columns, signal) : pagedRows(question, columns, signal);
}

async function pagedRows(question: Question, columns: string[], signal: AbortSignal): Promise<Row[]> {
  const rows: Row[] = [];
  let cursor: string | null = null;
  do {
    const place: [string, string][] = cursor === null ? [] : [['cursor', cursor]];
    const page: Page = await ask<Page>('/api/v1/events', [...questionParams(question), ['fields', columns.join(',')], ['limit', String(PAGE_ROWS)], ['hints', 'false'], ...place], { signal });
    rows.push(...page.events);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return rows;
}

/** Proved to be whole by the stream's closing record. */
async function exportedRows(question: Question, columns: string[], signal: AbortSignal): Promise<Row[]> {
  const params: [string, string][] = [...questionParams(question), ['columns', columns.join(',')], ['closing', 'true']];
  const text = await (await send('/api/v1/events.ndjson', params, { signal })).text();
  const rows = text.trimEnd().split('\n').map((line) => JSON.parse(line) as Row);
  const closing = rows.pop()?.['annals_export'] as { complete?: boolean; rows?: number } | undefined;
  if (closing?.complete !== true || closing.rows !== rows.length) throw new ApiError('cut', 'the records did not come whole');
  return rows;
}
