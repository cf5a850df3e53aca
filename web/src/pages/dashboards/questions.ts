// The questions of a dashboard: each number is a filter, so that what is counted and what its link shows are the same.
import { questionParams, type Question } from '../../lib/api/calls.ts';
import { ask } from '../../lib/api/client.ts';
import { context } from '../../lib/context.svelte.ts';
import { address } from '../../lib/filter/words.ts';
import { condition, add, valuesOf, withPeriod, type Filter } from '../../lib/filter/model.ts';
import type { ValueCount } from '../../lib/api/types.ts';
import type { Extent } from '../../lib/time/calendar.ts';
import { fixedPeriod } from '../../lib/time/period.ts';

export type { Extent };

/** A group of `GET /stats`. Sums are decimal text; `value` is null where events have no value, or nothing was grouped by. */
export interface StatsGroup {
  value: string | null;
  count: number;
  sum: string;
}

export interface Stats {
  groups: StatsGroup[];
  groups_total: number;
}

export const within = (filter: Filter, { from, to }: Extent): Filter => withPeriod(filter, fixedPeriod(from, to));

/**
 * The filter with a field narrowed to some values: to those that it allows already, if it names any. Null if none is left,
 * which means that nothing matches and nothing need be asked.
 */
export function narrow(filter: Filter, field: string, values: readonly string[]): Filter | null {
  const asked = valuesOf(filter, field);
  const left = asked.length === 0 ? values : values.filter((value) => asked.includes(value));
  if (left.length === 0) return null;
  const conditions = filter.conditions.filter((kept) => kept.field !== field || kept.op !== 'is' || kept.paused);
  return add({ ...filter, conditions }, condition(field, 'is', ...left));
}

/** The filter that also asks for this. Two values of one field would mean either, so the second is a group of its own. */
export function also(filter: Filter, field: string, value: string): Filter {
  const asked = filter.conditions.some((kept) => kept.field === field && kept.op === 'is' && !kept.paused);
  return add(filter, asked ? condition('filter', 'is', JSON.stringify({ [field]: value })) : condition(field, 'is', value));
}

/** The events that have none of these values: others, and those without a value. */
export function othersThan(filter: Filter, field: string, values: readonly string[]): Filter {
  return values.length === 0 ? filter : add(filter, condition(field, 'not', ...values));
}

/** Where the list shows what a filter matches. */
export const linkTo = (filter: Filter): string => address('/', filter, context.shared);

/** Counts that are on their way: blocks that need the same number ask for it once. */
const asking = new Map<string, Promise<number>>();

export async function count(tenant: string, filter: Filter | null): Promise<number> {
  if (filter === null) return 0;
  const params = questionParams({ tenant, filter });
  const key = JSON.stringify(params);
  const known = asking.get(key);
  if (known) return known;
  const asked = ask<{ count: number }>('/api/v1/count', params).then((answer) => answer.count).finally(() => asking.delete(key));
  asking.set(key, asked);
  return asked;
}

export async function top(question: Question, field: string, size: number, signal: AbortSignal): Promise<ValueCount[]> {
  const params: [string, string][] = [...questionParams(question), ['field', field], ['size', String(size)]];
  return (await ask<{ values: ValueCount[] }>('/api/v1/top', params, { signal })).values;
}

export function stats(question: Question, by: string | null, size: number, signal: AbortSignal): Promise<Stats> {
  const grouped: [string, string][] = by === null ? [] : [['by', by], ['size', String(size)]];
  return ask<Stats>('/api/v1/stats', [...questionParams(question), ...grouped], { signal });
}
