// When nothing matches: which condition is to blame. For each, how many events there would be without it, and what would match instead.
import * as api from '$lib/api/calls.ts';
import { Query } from '$lib/api/query.svelte.ts';
import type { Hint } from '$lib/api/types.ts';
import { condition, remove, replace, withPeriod, type Condition, type Filter } from '$lib/filter/model.ts';
import { ALL_TIME } from '$lib/time/period.ts';
import { page } from './state.svelte.ts';

/** The most conditions that are tried. */
const TRIED_MAX = 12;

export interface Without {
  conditions: Map<Condition, number>;
  /** Without the period; null if there is none. */
  period: number | null;
  instead: Offer[];
}

/** A condition that matches something, in the place of one that does not. */
export interface Offer {
  next: Condition;
  count: number;
  filter: Filter;
}

/** The filters that hints offer. */
function offersOf(filter: Filter, hints: readonly Hint[]): Offer[] {
  return hints.flatMap(({ parameter, value, instead }) => {
    const old = filter.conditions.find((one) => !one.paused && one.op === 'is' && one.field === parameter && one.values.includes(value ?? ''));
    if (!old) return [];
    return (instead ?? []).filter(({ count }) => count > 0).map((offer): Offer => {
      const [field = '', prefix] = offer.parameter.split('.');
      const next = condition(field, prefix === 'prefix' ? 'prefix' : 'is', offer.value);
      return { next, count: offer.count, filter: replace(filter, old, next) };
    });
  });
}

/** Counts only while `empty` says that nothing matches. */
export function withoutQuery(empty: () => boolean): Query<Without> {
  return new Query<Without>({
    key: () => (empty() && page.key !== null ? page.key : null),
    ask: async (signal) => {
      const { question } = page;
      const { filter } = question;
      const count = (changed: typeof filter): Promise<number> => api.count({ ...question, filter: changed }, signal);
      const tried = filter.conditions.filter((one) => !one.paused).slice(0, TRIED_MAX);
      const hinted = tried.length > 0 ? api.hints(question, signal) : Promise.resolve([]);
      const [hints, period, ...counts] = await Promise.all([
        hinted,
        filter.period.kind === 'all' ? Promise.resolve(null) : count(withPeriod(filter, ALL_TIME)),
        ...tried.map((one) => count(remove(filter, one))),
      ]);
      return { period: period ?? null, instead: offersOf(filter, hints), conditions: new Map(tried.map((one, at) => [one, counts[at] as number])) };
    },
  });
}
