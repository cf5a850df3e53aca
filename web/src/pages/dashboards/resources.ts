// The names of resources, which a list of ids does not tell: asked of the newest event of each.
import { ask } from '../../lib/api/client.ts';
import { questionParams, type Question } from '../../lib/api/calls.ts';
import { only } from '../../lib/filter/model.ts';
import type { Page } from '../../lib/api/types.ts';

/** Names by id; an id whose name cannot be told has none. */
export async function resourceNames({ tenant, filter }: Question, ids: readonly string[], signal: AbortSignal): Promise<Map<string, string>> {
  const found = await Promise.all(ids.map(async (id): Promise<[string, string] | null> => {
    const asked = questionParams({ tenant, filter: only(filter, 'resource_id', id) });
    const { events } = await ask<Page>('/api/v1/events', [...asked, ['limit', '1']], { signal });
    const [name, type] = [events[0]?.['resource_name'], events[0]?.['resource_type']];
    const words = [name, type].filter((word): word is string => typeof word === 'string' && word !== id);
    return words.length === 0 ? null : [id, words.join(' · ')];
  }));
  return new Map(found.filter((pair) => pair !== null));
}
