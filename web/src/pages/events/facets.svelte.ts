// Exact counts by value for pickers and the side bar. A field that is asked for is counted without its own conditions
// (disjunctive): its other values show how many there would be.
import * as api from '$lib/api/calls.ts';
import type { ValueCount } from '$lib/api/types.ts';
import { Query } from '$lib/api/query.svelte.ts';
import { only, valuesOf, withoutField } from '$lib/filter/model.ts';
import { maskOf } from '$lib/access/rights.ts';
import { session } from '$lib/access/session.svelte.ts';
import { page } from './state.svelte.ts';

/** The fields that are counted, in the order of the side bar. */
export const FACETS = ['level', 'event_type', 'source', 'resource_type', 'event_name', 'operator', 'source_ip', 'trace_type', 'code', 'format'] as const;
/** Those of them that may be counted: what is masked may not be told apart. */
export const countedFacets = (): readonly string[] => FACETS.filter((field) => maskOf(session.me, field) === null);
/** Values of a field that are asked for; when there are more, the rest is found by searching. */
export const FACET_SIZE = 200;

export type FacetCounts = Record<string, ValueCount[]>;

/** Adds what is asked for and too rare to be among the most frequent: its count is not known, and may not be taken for none. */
async function withAsked(counted: ValueCount[], field: string, question: api.Question, signal: AbortSignal): Promise<ValueCount[]> {
  if (counted.length < FACET_SIZE) return counted;
  const asked = [...valuesOf(question.filter, field), ...valuesOf(question.filter, field, 'not')];
  const missing = asked.filter((value) => !counted.some((one) => one.value === value));
  const added = await Promise.all(missing.map(async (value) => ({ value, count: await api.count({ ...question, filter: only(question.filter, field, value) }, signal) })));
  return [...counted, ...added];
}

/** Counts of all fields under the page's question; `wait` lets the list go first. */
export function facetQuery(wait: () => Promise<void>): Query<FacetCounts> {
  return new Query<FacetCounts>({
    key: () => (page.key === null ? null : page.key + countedFacets().join()),
    ask: async (signal) => {
      const { question } = page;
      await wait();
      signal.throwIfAborted();
      const counted = countedFacets();
      const own = counted.filter((field) => question.filter.conditions.some((one) => one.field === field && !one.paused));
      const others = counted.filter((field) => !own.includes(field));
      const ask = async (filter: typeof question.filter, names: readonly string[]): Promise<FacetCounts> => {
        if (names.length === 0) return {};
        return (await api.facets({ ...question, filter }, [['fields', names.join(',')], ['size', String(FACET_SIZE)]], signal)).facets;
      };
      const answers = await Promise.all([ask(question.filter, others), ...own.map(async (field) => {
        const rest = withoutField(question.filter, field);
        const answer = await ask(rest, [field]);
        return { [field]: await withAsked(answer[field] ?? [], field, question, signal) };
      })]);
      return Object.assign({}, ...answers) as FacetCounts;
    },
  });
}
