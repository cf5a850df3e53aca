// What was done to the store, as the tenant `_annals` records it.
import { session } from '../../lib/access/session.svelte.ts';
import { ask } from '../../lib/api/client.ts';
import { context } from '../../lib/context.svelte.ts';
import type { Event, Page } from '../../lib/api/types.ts';
import { condition, EMPTY } from '../../lib/filter/model.ts';
import { address } from '../../lib/filter/words.ts';
import { questionParams } from '../../lib/api/calls.ts';

/** The store's own tenant. */
export const SYSTEM = '_annals';

/** What was recorded about an action: its event, or that nothing changed. */
/** `unseen`: it was recorded, and who did it does not read the trail. */
export type Recorded = { kind: 'event'; traceId: string } | { kind: 'none' } | { kind: 'missing' } | { kind: 'unseen' };

const ofSystem = (): [string, string][] => [['tenant', SYSTEM], ...context.shared.filter(([name]) => name !== 'tenant')];

/** All that was done to the store. */
export const linkToHistory = (): string => address('/', EMPTY, ofSystem());

export const linkToRecord = (traceId: string): string =>
  address('/', { ...EMPTY, conditions: [condition('trace_id', 'is', traceId)] }, [...ofSystem(), ['event', traceId]]);

/** The record of a change that made this version of the policy; none if the version is the one from before. */
export async function recordOfVersion(version: number, before: number): Promise<Recorded> {
  if (version === before) return { kind: 'none' };
  if (!session.rights.has('trail')) return { kind: 'unseen' };
  const { events } = await ask<Page>('/api/v1/events', [['tenant', SYSTEM], ['text', 'changes.kind:policy'], ['text', `changes.body.version:${version}`], ['limit', '1'], ['hints', 'false']]);
  const traceId = events[0]?.trace_id;
  return traceId === undefined ? { kind: 'missing' } : { kind: 'event', traceId };
}

/** The newest record of an event name since a moment. */
export async function recordSince(eventName: string, since: number): Promise<Recorded> {
  if (!session.rights.has('trail')) return { kind: 'unseen' };
  const filter = { conditions: [condition('event_name', 'is', eventName)], period: { kind: 'fixed', from: new Date(since - 5_000).toISOString(), to: null } } as const;
  const { events } = await ask<Page>('/api/v1/events', [...questionParams({ tenant: SYSTEM, filter }), ['limit', '1']]);
  const traceId = events[0]?.trace_id;
  return traceId === undefined ? { kind: 'none' } : { kind: 'event', traceId };
}

export async function latest(signal: AbortSignal): Promise<Event[]> {
  return (await ask<Page>('/api/v1/events', [['tenant', SYSTEM], ['limit', '10']], { signal })).events;
}
