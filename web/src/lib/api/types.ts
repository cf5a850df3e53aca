// What the API answers, as far as the screen reads it. Events are kept as the server wrote them: amounts as text.

/** An event of a list or alone. Fields that it has no value for are left out. */
export interface Event {
  tenant: string;
  seq: number;
  trace_id: string;
  time: string;
  ingest_time: string;
  time_suspect: boolean;
  related_ids: string[];
  format: string;
  /** The record as received; only of single events. */
  original?: string;
  /** Fields whose text the server cut. */
  cut?: string[];
  [field: string]: unknown;
}

export interface Page {
  events: Event[];
  next_cursor: string | null;
  prev_cursor: string | null;
  total?: number;
  /** If there are none: why, and what would match. */
  hints?: Hint[];
}

/** Why a list is empty: what a condition that finds nothing could be instead. */
export interface Hint {
  reason: string;
  parameter?: string;
  value?: string;
  instead?: { parameter: string; value: string; count: number }[];
}

export interface ValueCount {
  value: string;
  count: number;
}

export interface Facets {
  facets: Record<string, ValueCount[]>;
}

/** The values of a field that contain a text. */
export interface Values {
  field: string;
  values: ValueCount[];
  /** How many distinct values there are. */
  total: number;
}

export interface Bucket {
  start: string;
  count: number;
  by?: Record<string, number>;
}

export interface Histogram {
  interval: string;
  time_zone: string;
  buckets: Bucket[];
}

export interface FieldInfo {
  name: string;
  cts: string | null;
  kind: 'text' | 'enum' | 'bool' | 'time' | 'integer' | 'decimal' | 'list';
  operators: string[];
  facet: boolean;
  header: string;
  label: { en: string; zh: string };
  values?: string[];
}

export interface TenantInfo {
  tenant: string;
  events: number;
  newest: string | null;
  oldest: string | null;
}

/** A view that the server keeps. `query` is the query string of the page. */
export interface View {
  id: string;
  name: string;
  owner: string;
  query: string;
  version: number;
  created: string;
  changed: string;
}

/** The value of a field as text, or null if the event has none. */
export function fieldText(event: Event, field: string): string | null {
  const value = event[field];
  if (value === undefined || value === null) return null;
  if (Array.isArray(value)) return value.length === 0 ? null : value.join(' ');
  return typeof value === 'string' ? value : String(value);
}
