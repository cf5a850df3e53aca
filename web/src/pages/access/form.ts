// A principal as it is typed, and as the API takes it.
import { readRows, rowsText, same } from '../../lib/access/rows.ts';
import type { CallLimits, Grant, Mask, Patch } from '../../lib/access/types.ts';
import { parseMoment } from '../../lib/time/parse.ts';

/** The limits that a principal may have of its own. */
export const LIMITS = ['requests', 'questions', 'bytes_in', 'rows_out'] as const satisfies readonly (keyof CallLimits)[];
/** Settings that a form sets, besides the name. */
const SETTINGS = ['roles', 'tenants', 'identities', 'certificates', 'rows', 'masks', 'from', 'to', 'partner', 'manager', 'distributor', 'authoritative', 'limits'] as const;
/** Those whose values have no order. */
const SETS: readonly string[] = ['roles', 'tenants', 'identities', 'certificates', 'authoritative'];

export interface Typed {
  roles: string[];
  tenants: string;
  rows: string;
  masks: { field: string; how: Mask }[];
  /** One a line, as certificates are. */
  identities: string;
  certificates: string;
  partner: string;
  manager: string;
  distributor: boolean;
  authoritative: string;
  limits: Record<(typeof LIMITS)[number], string>;
  from: string;
  to: string;
}

/** What is typed at first: a principal's settings, or those of a new one. */
export function typedOf(grant: Grant | null): Typed {
  return {
    roles: [...(grant?.roles ?? [])], tenants: (grant?.tenants ?? []).join(', '), rows: rowsText(grant?.rows),
    masks: Object.entries(grant?.masks ?? {}).map(([field, how]) => ({ field, how })), identities: (grant?.identities ?? []).join('\n'),
    from: grant?.from ?? '', to: grant?.to ?? '', certificates: (grant?.certificates ?? []).join('\n'),
    partner: grant?.partner ?? '', manager: grant?.manager ?? '', distributor: grant?.distributor ?? false, authoritative: (grant?.authoritative ?? []).join(', '),
    limits: { requests: limitText(grant, 'requests'), questions: limitText(grant, 'questions'), bytes_in: limitText(grant, 'bytes_in'), rows_out: limitText(grant, 'rows_out') },
  };
}

const limitText = (grant: Grant | null, name: (typeof LIMITS)[number]): string => String(grant?.limits?.[name] ?? '');

/** The largest limit that the server keeps. */
const LIMIT_MAX = 4_294_967_295;

/** A limit as it is typed: null for none; NaN if it is no whole number from 1 to the largest. */
export function limitOf(text: string): number | null {
  const typed = text.trim();
  if (typed === '') return null;
  return /^[1-9]\d*$/.test(typed) && Number(typed) <= LIMIT_MAX ? Number(typed) : Number.NaN;
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

/** Identities or certificates that are typed, each once: they may have blanks in them. */
export const linesOf = (typed: string): string[] => [...new Set(typed.split('\n').map((line) => line.trim()).filter((line) => line !== ''))];

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
  const limits = LIMITS.map((name) => [name, limitOf(typed.limits[name])] as const).filter(([, limit]) => limit !== null);
  if (limits.some(([, limit]) => Number.isNaN(limit))) return null;
  const lists = { identities: linesOf(typed.identities), certificates: linesOf(typed.certificates), authoritative: tenantsOf(typed.authoritative) };
  const texts = { partner: typed.partner.trim(), manager: typed.manager.trim() };
  const set = Object.fromEntries(Object.entries({ ...lists, ...texts }).filter(([, value]) => value.length > 0));
  return {
    roles: typed.roles, tenants: tenantsOf(typed.tenants), ...set, ...(typed.distributor ? { distributor: true } : {}), ...(limits.length === 0 ? {} : { limits: Object.fromEntries(limits) }), ...(rows.rows === null ? {} : { rows: rows.rows }), ...(Object.keys(masks).length === 0 ? {} : { masks }),
    ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }),
  };
}

/** What is to be changed: null removes a setting, what stays the same is left out. */
export function patchOf(before: Grant, after: Grant): Patch {
  const patch: Record<string, unknown> = {};
  for (const name of SETTINGS) {
    const [old, next] = [before[name], after[name]];
    if (next === undefined && old !== undefined) patch[name] = null;
    else if (next !== undefined && (old === undefined || !same(sorted(name, old), sorted(name, next)))) patch[name] = next;
  }
  return patch as Patch;
}

const sorted = (name: string, value: unknown): unknown => (SETS.includes(name) && Array.isArray(value) ? [...(value as string[])].sort() : value);

/** The setting that an error of the server is about: `masks.source_ip` is about the masks. */
export function settingOf(parameter: string | null): string | null {
  const first = parameter?.split(/[.[/]/)[0] ?? '';
  return ['name', ...SETTINGS, 'expires_in', 'note'].includes(first) ? first : null;
}
