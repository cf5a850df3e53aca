// The calls of the API, by name. Each takes the tenant and the filter; a signal aborts it.
import { toParams } from '../filter/url.ts';
import type { Filter } from '../filter/model.ts';
import { ask, type Params } from './client.ts';
import type { Event, Facets, FieldInfo, Hint, Histogram, Page, TenantInfo, Values, View } from './types.ts';

/** What a question is about: whose events, and which. */
export interface Question {
  tenant: string;
  filter: Filter;
}

/** The parameters of a question; tenants are separated by commas in the address of the page. */
export function questionParams({ tenant, filter }: Question): [string, string][] {
  return [...tenantParams(tenant), ...toParams(filter)];
}

export const tenantParams = (tenant: string): [string, string][] => tenant.split(',').map((name): [string, string] => ['tenant', name]);

/** A text that is the same for the same question: for keys of queries. */
export const keyOf = (question: Question): string => JSON.stringify(questionParams(question));

const call = <T>(path: string) => (question: Question, more: Params, signal: AbortSignal): Promise<T> =>
  ask<T>(`/api/v1/${path}`, [...questionParams(question), ...more], { signal });

const page = call<Page>('events');
/** Hints are asked for by themselves: an empty list need not wait for them. */
export const events: typeof page = (question, more, signal) => page(question, [...more, ['hints', 'false']], signal);

/** What would match where nothing does. */
export async function hints(question: Question, signal: AbortSignal): Promise<Hint[]> {
  return (await page(question, [['limit', '1'], ['fields', 'time']], signal)).hints ?? [];
}

export const histogram = call<Histogram>('histogram');
export const facets = call<Facets>('facets');
export const values = call<Values>('values');

export async function count(question: Question, signal: AbortSignal): Promise<number> {
  return (await ask<{ count: number }>('/api/v1/count', questionParams(question), { signal })).count;
}

export function event(tenant: string, traceId: string, signal: AbortSignal): Promise<Event & { others?: Event[] }> {
  return ask(`/api/v1/events/${encodeURIComponent(traceId)}`, tenantParams(tenant), { signal });
}

export async function tenants(signal: AbortSignal): Promise<TenantInfo[]> {
  return (await ask<{ tenants: TenantInfo[] }>('/api/v1/tenants', [], { signal })).tenants;
}

export async function fields(signal: AbortSignal): Promise<FieldInfo[]> {
  return (await ask<{ fields: FieldInfo[] }>('/api/v1/fields', [], { signal })).fields;
}

export async function views(signal: AbortSignal): Promise<View[]> {
  return (await ask<{ views: View[] }>('/api/v1/views', [], { signal })).views;
}

/** Keeps a view; `version` is the one that is changed, absent for a new view. */
export function saveView(view: Pick<View, 'id' | 'name' | 'owner' | 'query'>, version?: number): Promise<View> {
  const { id, ...body } = view;
  const headers: Record<string, string> = version === undefined ? {} : { 'If-Match': `"${version}"` };
  return ask<View>(`/api/v1/views/${encodeURIComponent(id)}`, [], { method: 'PUT', body, headers });
}

export function deleteView(id: string, version: number): Promise<void> {
  return ask(`/api/v1/views/${encodeURIComponent(id)}`, [], { method: 'DELETE', headers: { 'If-Match': `"${version}"` } });
}
