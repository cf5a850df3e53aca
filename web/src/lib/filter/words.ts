// The filter as text that can be read, typed and kept: one `name=value` a line, the names of the API. Without loss.
import { queryOf } from '../query-string.ts';
import { fromPairs, toPairs } from './url.ts';
import type { Filter } from './model.ts';

/** The filter as the address has it, one condition a line: what the text view shows and reads. */
export function toLines(filter: Filter): string {
  return toPairs(filter).map(([name, value]) => `${name}=${value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`).join('\n');
}

/** What stands in a line that cannot be read, and where. */
export interface LineFault {
  line: number;
  column: number;
}

/** Reads lines of `name=value`. Lines that begin with `#` are passed over. */
export function fromLines(text: string): { filter: Filter } | LineFault {
  const pairs: [string, string][] = [];
  for (const [at, line] of text.split('\n').entries()) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const cut = line.indexOf('=');
    if (line.slice(0, Math.max(cut, 0)).trim() === '') return { line: at + 1, column: line.length + 1 };
    const value = line.slice(cut + 1).replace(/\\([\\n])/g, (_, code: string) => (code === 'n' ? '\n' : '\\'));
    pairs.push([line.slice(0, cut).trim(), value]);
  }
  return { filter: fromPairs(pairs) };
}

/** The query string of a page with this filter, and with other parameters that it keeps. */
export function address(path: string, filter: Filter, other: Iterable<readonly [string, string]> = []): string {
  return path + queryOf([...other, ...toPairs(filter)]);
}
