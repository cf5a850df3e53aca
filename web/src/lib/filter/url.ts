// The filter as pairs of name and value: of the address, and of the API's parameters. Both use the server's names; the
// address has a few more: `~name` is a paused condition, `name.prefix.not` one that the API says as a group in JSON.
// Reading never throws and never drops: what is not understood becomes a condition with a fault, shown as an error chip.
import { momentMs, ALL_TIME, type Period } from '../time/period.ts';
import { parseDuration } from '../time/parse.ts';
import { add, condition, isTextual, type Condition, type Filter, type Operation } from './model.ts';

export type Pair = [string, string];

/** Parameters that are the page's own business and no conditions. */
const OWN = new Set(['tenant', 'tz', 'lang', 'cols', 'sort', 'event', 'seq', 'tab', 'view', 'at', 'pins', 'id', 'customer', 'by', 'page', 'paging', 'limit', 'facets', 'group', 'range', 'interval', 'compare', 'refresh', 'pin', 'panel', 'reason', 'offset', 'mode', 'principal', 'standing']);
const SUFFIXES: Record<Exclude<Operation, 'exists' | 'absent'>, string> = {
  is: '', not: '.not', prefix: '.prefix', 'not-prefix': '.prefix.not', min: '.min', max: '.max',
};
const NAME = /^[a-z][a-z0-9_]*$/;
const FIELD_NAMES = new Set([
  'trace_id', 'record_time', 'time_suspect', 'event_type', 'source', 'resource_type', 'event_name', 'resource_id', 'resource_name', 'operator', 'level',
  'trace_type', 'code', 'source_ip', 'access_key_id', 'request_id', 'operation_id', 'enterprise_project_id', 'tracker_name', 'read_only', 'api_version',
  'related_ids', 'amount', 'currency', 'format', 'region', 'text', 'substring', 'filter',
]);

/** The pairs of a filter in an address. */
export function toPairs(filter: Filter): Pair[] {
  return [...filter.conditions.flatMap(pairsOfCondition), ...pairsOfPeriod(filter.period)];
}

function pairsOfCondition(one: Condition): Pair[] {
  const mark = one.paused ? '~' : '';
  if (one.fault !== undefined) return [[mark + one.field, one.values[0] ?? '']];
  if (one.op === 'exists' || one.op === 'absent') return [[`${mark}${one.field}.exists`, String(one.op === 'exists')]];
  const name = mark + one.field + SUFFIXES[one.op];
  return one.values.map((value): Pair => [name, value]);
}

function pairsOfPeriod(period: Period): Pair[] {
  switch (period.kind) {
    case 'all': return [];
    case 'last': return [['last', period.last]];
    case 'fixed': {
      const pairs: Pair[] = [];
      if (period.from !== null) pairs.push(['from', period.from]);
      if (period.to !== null) pairs.push(['to', period.to]);
      return pairs;
    }
  }
}

/** Reads the filter of an address. */
export function fromPairs(pairs: Iterable<readonly [string, string]>): Filter {
  let filter: Filter = { conditions: [], period: ALL_TIME };
  const period: Partial<Record<'from' | 'to' | 'last', string>> = {};
  const byType: Partial<Record<'filter_type' | 'filter_value', string>> = {};
  for (const [name, value] of pairs) {
    if (OWN.has(name)) continue;
    if (name === 'from' || name === 'to' || name === 'last') {
      if (period[name] === undefined) period[name] = value;
      else filter = fault(filter, name, value, 'twice');
    } else if (name === 'filter_type' || name === 'filter_value') byType[name] = value;
    else filter = readCondition(filter, name, value);
  }
  // The console's 筛选类型 is a field by another name.
  if (byType.filter_type !== undefined && byType.filter_value !== undefined) filter = readCondition(filter, byType.filter_type, byType.filter_value);
  else for (const [name, value] of Object.entries(byType)) filter = fault(filter, name, value, 'unknown');
  return readPeriod(filter, period);
}

function fault(filter: Filter, field: string, value: string, why: string, paused = false): Filter {
  return { ...filter, conditions: [...filter.conditions, { field, op: 'is', values: [value], paused, fault: why }] };
}

function readCondition(filter: Filter, name: string, value: string): Filter {
  const paused = name.startsWith('~');
  const bare = paused ? name.slice(1) : name;
  const [field = '', ...rest] = bare.split('.');
  const suffix = rest.join('.');
  if (!NAME.test(field) || !FIELD_NAMES.has(field)) return fault(filter, bare, value, 'unknown', paused);
  const put = (op: Operation, ...values: string[]): Filter => add(filter, { ...condition(field, op, ...values), paused });
  if (value === '' && suffix !== 'exists') return fault(filter, bare, value, 'empty', paused);
  switch (suffix) {
    case '': return put('is', value);
    case 'not': return put('not', value);
    case 'prefix': return isTextual(field) ? fault(filter, bare, value, 'unknown', paused) : put('prefix', value);
    case 'prefix.not': return isTextual(field) ? fault(filter, bare, value, 'unknown', paused) : put('not-prefix', value);
    case 'min': case 'max': return field === 'amount' ? put(suffix, value) : fault(filter, bare, value, 'unknown', paused);
    case 'exists':
      if (!isTextual(field) && (value === 'true' || value === 'false')) return put(value === 'true' ? 'exists' : 'absent');
      return fault(filter, bare, value, 'unknown', paused);
    default: return fault(filter, bare, value, 'unknown', paused);
  }
}

function readPeriod(filter: Filter, said: Partial<Record<'from' | 'to' | 'last', string>>): Filter {
  const { from = null, to = null, last } = said;
  let read = filter;
  const check = (name: 'from' | 'to', text: string | null): string | null => {
    if (text === null || momentMs(text) !== null) return text;
    read = fault(read, name, text, 'time');
    return null;
  };
  if (last !== undefined) {
    if (parseDuration(last) === null || from !== null || to !== null) {
      read = fault(read, 'last', last, parseDuration(last) === null ? 'time' : 'twice');
      if (from === null && to === null) return read;
    } else return { ...read, period: { kind: 'last', last } };
  }
  const period: Period = { kind: 'fixed', from: check('from', from), to: check('to', to) };
  if (period.from === null && period.to === null) return read;
  if (period.from !== null && period.to !== null && momentMs(period.from)! >= momentMs(period.to)!) {
    read = fault(read, 'from', period.from, 'reversed');
    return { ...fault(read, 'to', period.to!, 'reversed'), period: ALL_TIME };
  }
  return { ...read, period };
}

/** Whether the filter can be asked: a fault that is not paused would be left out, and the answer would be another one. */
export const isAskable = (filter: Filter): boolean => !filter.conditions.some((one) => one.fault !== undefined && !one.paused);

/** The filter as parameters of the API: paused conditions stay at home. */
export function toParams(filter: Filter): Pair[] {
  const pairs: Pair[] = [];
  const groups: unknown[] = [];
  for (const one of filter.conditions) {
    if (one.paused) continue;
    if (one.op === 'not-prefix') groups.push({ not: { [`${one.field}.prefix`]: one.values } });
    else pairs.push(...pairsOfCondition(one));
  }
  for (const group of groups) pairs.push(['filter', JSON.stringify(group)]);
  return [...pairs, ...pairsOfPeriod(filter.period)];
}
