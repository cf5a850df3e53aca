// The calls about the store itself. Every field is optional: a page on health must say what it knows of any server.
import { ask } from '../../lib/api/client.ts';

export interface Doors {
  [door: string]: { accepted: number; duplicates: number; quarantined: number };
}

/** `GET /api/v1/status`. */
export interface Status {
  version?: string;
  time?: string;
  uptime_seconds?: number;
  refusing?: string | null;
  table_version?: number;
  segments?: number;
  events?: number;
  buffered?: number;
  buffered_bytes?: number;
  last_seq?: number;
  data_bytes?: number;
  index_bytes?: number;
  wal?: { files?: number; bytes?: number };
  ingest?: { doors?: Doors; window_seconds?: number; accepted_in_window?: number; last_accepted?: string | null };
  last_segment?: string | null;
  scrub?: { compared?: number; segments?: number; last?: string | null; all_since?: string | null; bytes?: number; damaged?: string[] };
  quarantined?: number;
  disk?: { free_bytes?: number; refused_below_bytes?: number };
  backups?: boolean;
  coverage?: { oldest?: string | null; newest?: string | null; lag_seconds?: number | null };
}

export const status = (signal: AbortSignal): Promise<Status> => ask<Status>('/api/v1/status', [], { signal });

export interface Quarantined {
  id: string;
  tenant?: string;
  time: string;
  source: string;
  line: number;
  reason: string;
  record?: string;
  record_base64?: string;
}

export interface QuarantinePage {
  total: number;
  records: Quarantined[];
  next: string | null;
}

export interface Hold {
  tenant: string[];
  filter: Record<string, string[]>;
  reason: string;
  placed: string;
}

/** Days, or the word for no end. */
export type Days = number | 'forever';

export interface Policy {
  version: number;
  floor_days: number;
  default_days: Days;
  tenants: Record<string, Days>;
  holds: Record<string, Hold>;
}

export interface Expired {
  dry_run: boolean;
  events: number;
  held: number;
  tenants: Record<string, number>;
  segments: number;
}

export const policy = (signal: AbortSignal): Promise<Policy> => ask<Policy>('/api/v1/retention', [], { signal });
export const dryRun = (signal?: AbortSignal): Promise<Expired> => ask<Expired>('/api/v1/retention/run', [['dry_run', 'true']], { method: 'POST', ...(signal ? { signal } : {}) });
export const runRetention = (): Promise<Expired> => ask<Expired>('/api/v1/retention/run', [], { method: 'POST' });
export const setDays = (tenant: string | null, days: Days): Promise<Policy> =>
  ask<Policy>('/api/v1/retention', [], { method: 'PUT', body: { ...(tenant === null ? {} : { tenant }), days: String(days) } });
export const raiseFloor = (days: number): Promise<Policy> => ask<Policy>('/api/v1/retention', [], { method: 'PUT', body: { floor_days: String(days) } });
export const lift = (name: string, reason: string): Promise<Policy> => ask<Policy>(`/api/v1/holds/${encodeURIComponent(name)}`, [['reason', reason]], { method: 'DELETE' });
export const backUp = (name: string): Promise<Record<string, unknown>> => ask('/api/v1/backups', [['name', name]], { method: 'POST' });

/** Places a hold; the filter is pairs as an address has them. */
export function place(name: string, tenants: readonly string[], reason: string, filter: Iterable<readonly [string, string]>): Promise<Policy> {
  const params: [string, string][] = [...tenants.map((tenant): [string, string] => ['tenant', tenant]), ['reason', reason], ...[...filter].map(([name, value]): [string, string] => [name, value])];
  return ask<Policy>(`/api/v1/holds/${encodeURIComponent(name)}`, params, { method: 'PUT' });
}

export function quarantine(tenant: string, after: string | null, signal: AbortSignal): Promise<QuarantinePage> {
  const params: [string, string][] = [...tenant.split(',').map((name): [string, string] => ['tenant', name]), ['limit', '100']];
  return ask<QuarantinePage>('/api/v1/quarantine', after === null ? params : [...params, ['after', after]], { signal });
}
