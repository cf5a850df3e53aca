// A condition on a value at a path of the record: `text=path:"value"` where that can say it, else a group in JSON.
import { condition, type Condition } from '$lib/filter/model.ts';

/** The longest text condition, in bytes. */
const TEXT_BYTES_MAX = 1024;

export function pathCondition(route: readonly string[], value: string, negative: boolean): Condition {
  const path = route.join('.');
  const quoted = /^[^\s":\\*]+$/.test(value) ? value : `"${value.replace(/[\\"]/g, '\\$&')}"`;
  const text = `${path}:${quoted}`;
  if (/^[^\s":]+$/.test(path) && new TextEncoder().encode(text).length <= TEXT_BYTES_MAX) return condition('text', negative ? 'not' : 'is', text);
  const record = { record: { path, equals: value } };
  return condition('filter', 'is', JSON.stringify(negative ? { not: record } : record));
}
