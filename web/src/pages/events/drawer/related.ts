// What an event is related to, by name: each relation is a filter, which can be counted, seen and gone back from.
import { maskOf } from '$lib/access/rights.ts';
import { session } from '$lib/access/session.svelte.ts';
import * as api from '$lib/api/calls.ts';
import { EMPTY, add, condition, withPeriod, type Filter } from '$lib/filter/model.ts';
import { fieldText, type Event } from '$lib/api/types.ts';
import { fixedPeriod } from '$lib/time/period.ts';
import { drawerWords, kindWord } from './messages.ts';

export interface Relation {
  key: string;
  label: string;
  filter: Filter;
}

const MINUTE = 60_000;
/** How far apart the two events of an asynchronous operation may be. */
const PAIR_MS = 60 * MINUTE;
/** Relations that are counted at once; the rest when it is asked for. */
export const RELATIONS_FIRST = 15;

const asked = (...conditions: ReturnType<typeof condition>[]): Filter => conditions.reduce(add, EMPTY);

/** The value by which others are found; a masked one is not the value. */
const known = (event: Event, field: string): string | null => (maskOf(session.me, field) === null ? fieldText(event, field) : null);

/** The condition by which the events of a resource are found: its id, or its name and type. */
export function resourceFilter(event: Event): Filter | null {
  const id = known(event, 'resource_id');
  if (id !== null) return asked(condition('resource_id', 'is', id));
  const name = known(event, 'resource_name');
  const type = known(event, 'resource_type');
  return name === null ? null : asked(condition('resource_name', 'is', name), ...(type === null ? [] : [condition('resource_type', 'is', type)]));
}

/** All relations of an event. */
export function relationsOf(event: Event): Relation[] {
  const words = drawerWords();
  const relations: Relation[] = [];
  const put = (key: string, label: string, filter: Filter | null): void => { if (filter) relations.push({ key, label, filter }); };
  const request = known(event, 'request_id');
  const operator = known(event, 'operator');
  const time = Date.parse(event.time);
  put('request', words.sameRequest, request === null ? null : asked(condition('request_id', 'is', request)));
  put('resource', words.sameResource, resourceFilter(event));
  // The end is not included, so five minutes and the last millisecond.
  put('operator', words.sameOperator, operator === null ? null : withPeriod(asked(condition('operator', 'is', operator)), fixedPeriod(time - 5 * MINUTE, time + 5 * MINUTE + 1)));
  for (const id of maskOf(session.me, 'related_ids') === null ? (event.related_ids ?? []) : []) {
    const cut = id.indexOf(':');
    put(id, words.sameRelated(kindWord(id.slice(0, cut)), id.slice(cut + 1)), asked(condition('related_ids', 'is', id)));
  }
  return relations;
}

export interface Pair {
  event: Event;
  apart: number;
}

/** The other event of an asynchronous operation: same name and resource, nearest in time, within an hour. */
export async function pairOf(event: Event, signal: AbortSignal): Promise<Pair | null> {
  const resource = resourceFilter(event);
  const name = known(event, 'event_name');
  if (!resource || name === null) return null;
  const time = Date.parse(event.time);
  const filter = withPeriod(add(resource, condition('event_name', 'is', name)), fixedPeriod(time - PAIR_MS, time + PAIR_MS));
  const question = { tenant: event.tenant, filter };
  const FIELDS: [string, string] = ['fields', 'trace_id,seq,time,time_suspect,tenant,event_name,level,code'];
  const moment = event.time;
  const [later, earlier] = await Promise.all([
    api.events(question, [['order', 'asc'], ['around', moment], ['limit', '20'], FIELDS], signal),
    api.events(question, [['order', 'desc'], ['around', moment], ['limit', '20'], FIELDS], signal),
  ]);
  const others = [...later.events, ...earlier.events].filter((one) => one.seq !== event.seq).map((one) => ({ event: one, apart: Math.abs(Date.parse(one.time) - time) }));
  others.sort((left, right) => left.apart - right.apart || left.event.seq - right.event.seq);
  return others[0] ?? null;
}

/** The event before this one on the same resource, with its record; null if there is none. */
export async function previousOf(event: Event, signal: AbortSignal): Promise<Event | null> {
  const resource = resourceFilter(event);
  if (!resource) return null;
  let cursor: string | null = null;
  const time = Date.parse(event.time);
  const before = (one: Event): boolean => Date.parse(one.time) < time || (Date.parse(one.time) === time && one.seq < event.seq);
  // Many events may share the moment: go on until one is older than this.
  for (;;) {
    const place: [string, string] = cursor === null ? ['around', event.time] : ['cursor', cursor];
    const page: Awaited<ReturnType<typeof api.events>> = await api.events({ tenant: event.tenant, filter: resource }, [place, ['limit', '100'], ['fields', 'trace_id,seq,time,tenant']], signal);
    const found = page.events.find(before);
    if (found) return whole(await api.event(found.tenant, found.trace_id, signal), found.seq);
    if (page.next_cursor === null) return null;
    cursor = page.next_cursor;
  }
}

/** Of the events that share an id, the one that is meant. */
export function whole(answer: Event & { others?: Event[] }, seq: number | null): Event {
  if (seq === null || answer.seq === seq) return answer;
  return answer.others?.find((one) => one.seq === seq) ?? answer;
}
