// The one filter of the screen. Chips, pickers, the address and the parameters of every request are made from this
// model and read back into it; nothing else keeps conditions. Values of one condition mean any of them, conditions must
// all hold: the server's own rules (see "The filter language" in the src/filter/README.md).
import { ALL_TIME, type Period } from '../time/period.ts';

/** How a condition asks. `absent` covers the empty text: a record that says "" has no value. */
export type Operation = 'is' | 'not' | 'prefix' | 'not-prefix' | 'exists' | 'absent' | 'min' | 'max';

/** A condition on a field, or on the record's text (`text`, `substring`, and groups in JSON as `filter`). */
export interface Condition {
  readonly field: string;
  readonly op: Operation;
  readonly values: readonly string[];
  /** Kept, shown, and not asked. */
  readonly paused: boolean;
  /** Why it cannot be asked, if it came out of an address so. Such a condition is shown and never dropped. */
  readonly fault?: string;
}

export interface Filter {
  readonly conditions: readonly Condition[];
  readonly period: Period;
}

export const EMPTY: Filter = { conditions: [], period: ALL_TIME };

/** Conditions on the record's text rather than on a field. */
export const isTextual = (field: string): boolean => field === 'text' || field === 'substring' || field === 'filter';

export function condition(field: string, op: Operation, ...values: string[]): Condition {
  return { field, op, values, paused: false };
}

const same = (left: Condition, right: Condition): boolean =>
  left.field === right.field && left.op === right.op && left.paused === right.paused && String(left.values) === String(right.values);

/** Conditions that join with others of their field and operation: one chip, any of its values. */
const joins = (one: Condition): boolean => !isTextual(one.field) && !one.fault && ['is', 'not', 'prefix', 'not-prefix'].includes(one.op);

/** Adds a condition; values of the same field and operation come together in one chip. */
export function add(filter: Filter, added: Condition): Filter {
  const at = filter.conditions.findIndex((kept) => joins(kept) && joins(added) && kept.field === added.field && kept.op === added.op && kept.paused === added.paused);
  const kept = filter.conditions[at];
  if (!kept) return filter.conditions.some((one) => same(one, added)) ? filter : { ...filter, conditions: [...filter.conditions, added] };
  const values = [...kept.values, ...added.values.filter((value) => !kept.values.includes(value))];
  return replace(filter, kept, { ...kept, values });
}

/** Puts a condition in the place of another; `null` takes it away. */
export function replace(filter: Filter, old: Condition, next: Condition | null): Filter {
  const conditions = filter.conditions.flatMap((kept) => (kept === old ? (next ? [next] : []) : [kept]));
  return { ...filter, conditions };
}

export function remove(filter: Filter, old: Condition): Filter {
  return replace(filter, old, null);
}

const NEGATED: Partial<Record<Operation, Operation>> = {
  is: 'not', not: 'is', prefix: 'not-prefix', 'not-prefix': 'prefix', exists: 'absent', absent: 'exists',
};

/** Whether a condition has an opposite. Bounds of amounts have none: an event without an amount is on neither side. */
export const canNegate = (one: Condition): boolean => one.op in NEGATED && one.field !== 'filter' && !one.fault;

export function negated(one: Condition): Condition {
  return { ...one, op: NEGATED[one.op] ?? one.op };
}

/** Takes values out of the conditions of a field and operation; one that has none left goes. */
function without(filter: Filter, field: string, op: Operation, value: string): Filter {
  const conditions = filter.conditions.flatMap((kept) => {
    if (kept.field !== field || kept.op !== op || kept.paused || !kept.values.includes(value)) return [kept];
    const values = kept.values.filter((other) => other !== value);
    return values.length > 0 ? [{ ...kept, values }] : [];
  });
  return { ...filter, conditions };
}

/** Only this value: replaces what the field was asked for, so that the rows are those that have the value. */
export function only(filter: Filter, field: string, value: string): Filter {
  const conditions = filter.conditions.filter((kept) => kept.field !== field || kept.paused);
  return add({ ...filter, conditions }, condition(field, 'is', value));
}

/** Not this value. If it was asked for, that is taken back first: a contradiction would show nothing. */
export function exclude(filter: Filter, field: string, value: string): Filter {
  return add(without(filter, field, 'is', value), condition(field, 'not', value));
}

/** Only events without a value, or only such with one. */
export function presence(filter: Filter, field: string, exists: boolean): Filter {
  const conditions = filter.conditions.filter((kept) => kept.field !== field || kept.paused);
  return add({ ...filter, conditions }, condition(field, exists ? 'exists' : 'absent'));
}

/** Whether a value is asked for, excluded, or neither: always read from the model. */
export function stateOf(filter: Filter, field: string, value: string): 'in' | 'out' | null {
  for (const kept of filter.conditions) {
    if (kept.paused || kept.field !== field || !kept.values.includes(value)) continue;
    if (kept.op === 'is') return 'in';
    if (kept.op === 'not') return 'out';
  }
  return null;
}

/** Adds or takes back one value of a picker. */
export function toggle(filter: Filter, field: string, value: string, op: 'is' | 'not' = 'is'): Filter {
  const other = op === 'is' ? 'not' : 'is';
  if (filter.conditions.some((kept) => !kept.paused && kept.field === field && kept.op === op && kept.values.includes(value))) return without(filter, field, op, value);
  return add(without(filter, field, other, value), condition(field, op, value));
}

/** The values that a field is asked for or excluded by. */
export function valuesOf(filter: Filter, field: string, op: 'is' | 'not' = 'is'): readonly string[] {
  return filter.conditions.filter((kept) => kept.field === field && kept.op === op && !kept.paused).flatMap((kept) => kept.values);
}

/** The filter without the conditions of a field that are asked: what facets of that field count under. */
export function withoutField(filter: Filter, field: string): Filter {
  return { ...filter, conditions: filter.conditions.filter((kept) => kept.field !== field || kept.paused) };
}

/** Sets the text that all records must have; an empty one takes the condition away. */
export function withText(filter: Filter, text: string): Filter {
  const conditions = filter.conditions.filter((kept) => kept.field !== 'text' || kept.op !== 'is' || kept.paused);
  const trimmed = text.trim();
  return { ...filter, conditions: trimmed === '' ? conditions : [...conditions, condition('text', 'is', trimmed)] };
}

export const textOf = (filter: Filter): string =>
  filter.conditions.filter((kept) => kept.field === 'text' && kept.op === 'is' && !kept.paused && !kept.fault).map((kept) => kept.values[0] ?? '').join(' ');

export function withPeriod(filter: Filter, period: Period): Filter {
  return { ...filter, period };
}

export const hasConditions = (filter: Filter): boolean => filter.conditions.some((kept) => !kept.paused);
