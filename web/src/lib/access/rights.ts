// What follows from who one is: which pages are of use, and what of events is shown. The server decides; this only keeps
// the page from offering what the server would refuse.
import type { Grant, Mask, Me, Role } from './types.ts';

/** The roles that this page has words for, in the order in which they are shown. */
export const ROLES: readonly Role[] = ['reader', 'auditor', 'tenant_administrator', 'ingest', 'system_administrator', 'security_administrator', 'audit_administrator'];
/** The store's own tenant: what was done to it. */
export const TRAIL = '_annals';

/**
 * `quarantine`: to see what could not be decoded; `keep`: to set retention and holds; `store`: its state, backups, and
 * retention of all tenants.
 */
export type Right = 'events' | 'export' | 'quarantine' | 'keep' | 'store' | 'access' | 'trail';

const OF_ROLES: Record<Role, readonly Right[]> = {
  ingest: [], reader: ['events'], auditor: ['events', 'export', 'quarantine'], tenant_administrator: ['events', 'export', 'quarantine', 'keep'],
  system_administrator: ['store', 'keep'], security_administrator: ['access'], audit_administrator: ['trail', 'export'],
};
/** Rights of somebody who is not known (a server that does not say): everything is tried, except to administer access. */
const UNKNOWN: ReadonlySet<Right> = new Set(['events', 'export', 'quarantine', 'keep', 'store', 'trail']);
const ALL: ReadonlySet<Right> = new Set(Object.values(OF_ROLES).flat());

export function rightsOf(me: Me | null): ReadonlySet<Right> {
  if (me === null) return UNKNOWN;
  if (!me.credentials) return ALL;
  // A role of a newer server may read, for all that is known: its answers say what not.
  const rights = new Set(me.roles.flatMap((role) => (OF_ROLES as Record<string, readonly Right[]>)[role] ?? ['events' as const]));
  // Quarantine has what is outside of the part that one sees.
  if (isLimited(me)) rights.delete('quarantine');
  return rights;
}

const OF_PATHS: Record<string, readonly Right[]> = {
  '/': ['events'], '/dashboards': ['events'], '/quota': ['events'], '/relation': ['events'], '/store': ['store', 'quarantine', 'keep'], '/access': ['access'],
};

/** What a path of the page is about: who may not read is told of events, and so on. */
export const subjectOf = (path: string, tenant: string): 'events' | 'store' | 'access' | 'trail' =>
  (path === '/store' ? 'store' : path === '/access' ? 'access' : path === '/' && tenant === TRAIL ? 'trail' : 'events');

/** Whether a page can show something: the trail is read in the event list. */
export function mayOpen(rights: ReadonlySet<Right>, path: string, tenant: string): boolean {
  if (path === '/' && tenant === TRAIL) return rights.has('trail');
  const needed = OF_PATHS[path];
  return needed === undefined || needed.some((right) => rights.has(right));
}

/** How the values of a field are masked, if they are. */
export const maskOf = (grant: Grant | null, field: string): Mask | null => grant?.masks?.[field] ?? null;
export const hasMasks = (grant: Grant | null): boolean => Object.keys(grant?.masks ?? {}).length > 0;

/** Whether one sees only a part of the events of one's tenants. */
export const isLimited = (grant: Grant | null): boolean =>
  grant !== null && (grant.rows !== undefined || grant.partner !== undefined || grant.from !== undefined || grant.to !== undefined || hasMasks(grant));
