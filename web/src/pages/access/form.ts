// A principal as it is typed, and as the API takes it.
import { readRows, rowsText, same } from '../../lib/access/rows.ts';
import type { Grant, Mask, Patch } from '../../lib/access/types.ts';
import { parseMoment } from '../../lib/time/parse.ts';

export interface Typed {
  roles: string[];
  tenants: string;
  rows: string;
  masks: { field: string; how: Mask }[];
  /** One a line. */
  identities: string;
  from: string;
  to: string;
}

/** What is typed at first: a principal's settings, or those of a new one. */
export function typedOf(grant: Grant | null): Typed {
  return {
    roles: [...(grant?.roles ?? [])], tenants: (grant?.tenants ?? []).join(', '), rows: rowsText(grant?.rows),
    masks: Object.entries(grant?.masks ?? {}).map(([field, how]) => ({ field, how })), identities: (grant?.identities ?? []).join('\n'),
    from: grant?.from ?? '', to: grant?.to ?? '',
  };
}

/** A moment as it is typed: null for none; NaN if it is none. */
export function momentOf(text: string, zone: string): number | null {
  const typed = text.trim();
  if (typed === '') return null;
  const read = parseMoment(typed, zone, Date.now());
  return 'ms' in read ? read.ms : Number.NaN;
}

/** The tenants that are typed, each once. */
export const tenantsOf = (typed: string): string[] => [...new Set(typed.split(/[,，\s]+/).filter((name) => name !== ''))];

/** The identities that are typed, each once: they may have blanks in them. */
export const identitiesOf = (typed: string): string[] => [...new Set(typed.split('\n').map((line) => line.trim()).filter((line) => line !== ''))];

/** The settings that are typed; null where something cannot be read. An unchanged time stays as it was written. */
export function grantOf(typed: Typed, zone: string, before: Grant | null): Grant | null {
  const rows = readRows(typed.rows);
  const time = (text: string, old: string | undefined): string | undefined | null => {
    if (old !== undefined && text.trim() === old) return old;
    const ms = momentOf(text, zone);
    return ms === null ? undefined : Number.isNaN(ms) ? null : new Date(ms).toISOString();
  };
  const from = time(typed.from, before?.from);
  const to = time(typed.to, before?.to);
  if (!('rows' in rows) || from === null || to === null) return null;
  const masks = Object.fromEntries(typed.masks.filter(({ field }) => field !== '').map(({ field, how }) => [field, how]));
  const identities = identitiesOf(typed.identities);
  return {
    roles: typed.roles, tenants: tenantsOf(typed.tenants), ...(identities.length === 0 ? {} : { identities }), ...(rows.rows === null ? {} : { rows: rows.rows }), ...(Object.keys(masks).length === 0 ? {} : { masks }),
    ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }),
  };
}

/** What is to be changed: null removes a setting, what stays the same is left out. */
export function patchOf(before: Grant, after: Grant): Patch {
  const patch: Record<string, unknown> = {};
  for (const name of ['roles', 'tenants', 'identities', 'rows', 'masks', 'from', 'to'] as const) {
    const [old, next] = [before[name], after[name]];
    if (next === undefined && old !== undefined) patch[name] = null;
    else if (next !== undefined && (old === undefined || !same(sorted(name, old), sorted(name, next)))) patch[name] = next;
  }
  return patch as Patch;
}

/** Roles, tenants and identities are sets. */
const sorted = (name: string, value: unknown): unknown => (['roles', 'tenants', 'identities'].includes(name) && Array.isArray(value) ? [...(value as string[])].sort() : value);

/** The setting that an error of the server is about: `masks.source_ip` is about the masks. */
export function settingOf(parameter: string | null): string | null {
  const first = parameter?.split(/[.[/]/)[0] ?? '';
  return ['name', 'roles', 'tenants', 'identities', 'rows', 'masks', 'from', 'to', 'expires_in', 'note'].includes(first) ? first : null;
}
