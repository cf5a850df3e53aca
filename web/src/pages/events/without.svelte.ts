// When nothing matches: which condition is to blame. For each, how many events there would be without it.
import * as api from '$lib/api/calls.ts';
import { Query } from '$lib/api/query.svelte.ts';
import { remove, withPeriod, type Condition } from '$lib/filter/model.ts';
import { ALL_TIME } from '$lib/time/period.ts';
import { page } from './state.svelte.ts';

/** The most conditions that are tried. */
const TRIED_MAX = 12;

export interface Without {
  conditions: Map<Condition, number>;
  /** Without the period; null if there is none. */
  period: number | null;
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
      const [period, ...counts] = await Promise.all([
        filter.period.kind === 'all' ? Promise.resolve(null) : count(withPeriod(filter, ALL_TIME)),
        ...tried.map((one) => count(remove(filter, one))),
      ]);
      return { period: period ?? null, conditions: new Map(tried.map((one, at) => [one, counts[at] as number])) };
    },
  });
}
