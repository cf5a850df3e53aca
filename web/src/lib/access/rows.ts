// The filter of rows: in JSON, as the server keeps it, or in lines of `name=value`, as the event list writes conditions.
import type { Condition, Filter } from '../filter/model.ts';
import { isAskable, toParams } from '../filter/url.ts';
import { fromLines } from '../filter/words.ts';
import type { Rows } from './types.ts';

/** The pairs of a filter that has plain conditions only; null for one with groups. */
export function pairsOfRows(rows: Rows): [string, string][] | null {
  const pairs: [string, string][] = [];
  for (const [name, value] of Object.entries(rows)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (typeof one !== 'string' && typeof one !== 'number' && typeof one !== 'boolean') return null;
      pairs.push([name, String(one)]);
    }
  }
  return pairs;
}

const plain = (filter: Filter): readonly Condition[] => filter.conditions.filter((one) => !one.paused);

/** What was typed as a filter; null if nothing was; `fault` says where it cannot be read. */
export function readRows(text: string): { rows: Rows | null } | { fault: string } {
  const trimmed = text.trim();
  if (trimmed === '') return { rows: null };
  if (trimmed.startsWith('{')) {
    try {
      return { rows: JSON.parse(trimmed) as Rows };
    } catch (cause) {
      return { fault: cause instanceof Error ? cause.message : String(cause) };
    }
  }
  const read = fromLines(text);
  if ('line' in read) return { fault: `${read.line}:${read.column}` };
  const { filter } = read;
  if (!isAskable(filter)) return { fault: filter.conditions.filter((one) => one.fault !== undefined).map((one) => one.field).join(', ') };
  // A period has settings of its own.
  if (filter.period.kind !== 'all') return { fault: 'from, to, last' };
  if (plain(filter).length === 0) return { rows: null };
  const rows: Rows = {};
  const groups: unknown[] = [];
  for (const [name, value] of toParams(filter)) {
    if (name === 'filter') groups.push(JSON.parse(value));
    else rows[name] = name in rows ? [...([] as unknown[]).concat(rows[name]), value] : value;
  }
  return { rows: groups.length === 0 ? rows : { ...rows, all: groups } };
}

/** A filter as text to edit: lines where it is of plain conditions, else JSON. */
export function rowsText(rows: Rows | undefined): string {
  if (rows === undefined) return '';
  const pairs = pairsOfRows(rows);
  const lines = pairs?.map(([name, value]) => `${name}=${value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`).join('\n');
  const read = lines === undefined ? null : readRows(lines);
  return lines !== undefined && read !== null && 'rows' in read && same(read.rows, rows) ? lines : JSON.stringify(rows, null, 2);
}

/** Whether two settings say the same: whatever the order of members, and one value alone or as a list of one. */
export function same(left: unknown, right: unknown): boolean {
  return canonical(left) === canonical(right);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return value.length === 1 ? canonical(value[0]) : `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const members = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`;
}
