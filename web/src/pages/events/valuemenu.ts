// What can be done with a value, wherever it stands: list, drawer, record. One list for all places.
import { maskOf } from '$lib/access/rights.ts';
import { session } from '$lib/access/session.svelte.ts';
import { announce } from '$lib/announce.svelte.ts';
import { copyText } from '$lib/copy.ts';
import { fields } from '$lib/fields.svelte.ts';
import { add, condition, exclude, only, presence, stateOf, toggle, type Filter } from '$lib/filter/model.ts';
import type { Item } from '$lib/ui/Menu.svelte';
import { words } from './messages.ts';
import { notify } from './notice.svelte.ts';

/** Copies a text and says so. */
export async function copyAndSay(text: string): Promise<void> {
  const said = (await copyText(text)) ? words().copied : words().copyFailed;
  notify(said);
  announce(said);
}

/** The value that a menu is about; `null` for a field without one. */
export interface Pointed {
  field: string;
  value: string | null;
  /** The server cut it: it can be copied and filtered by only in the details. */
  cut: boolean;
}

export function valueItems({ field, value, cut }: Pointed, filter: Filter, change: (filter: Filter) => void, open: (() => void) | null): (Item | null)[] {
  const operators = maskOf(session.me, field) === null ? (fields.get(field)?.operators ?? []) : [];
  const items: (Item | null)[] = [];
  if (open) items.push({ text: words().openEvent, icon: 'open', run: open });
  if (value === null) {
    if (operators.includes('exists')) items.push({ text: words().absentValue, icon: 'filter', run: () => change(presence(filter, field, false)) }, { text: words().existsValue, icon: 'filter', run: () => change(presence(filter, field, true)) });
    return items;
  }
  if (operators.includes('=') && !cut) {
    const state = stateOf(filter, field, value);
    items.push({ text: words().onlyValue, icon: 'filter', run: () => change(only(filter, field, value)) });
    if (state !== null) items.push({ text: words().undo, icon: 'close', run: () => change(toggle(filter, field, value, state === 'in' ? 'is' : 'not')) });
    if (state !== 'in') items.push({ text: words().includeToo, icon: 'plus', run: () => change(toggle(filter, field, value)) });
    if (state !== 'out') items.push({ text: words().excludeValue, icon: 'ban', run: () => change(exclude(filter, field, value)) });
  }
  if (operators.includes('prefix') && value !== '') items.push({ text: words().prefixValue, icon: 'filter', run: () => change(add(filter, condition(field, 'prefix', value))) });
  if (operators.includes('exists')) items.push({ text: words().existsValue, run: () => change(presence(filter, field, true)) });
  if (!cut) items.push(null, { text: words().copyValue, icon: 'copy', run: () => void copyAndSay(value) });
  return items;
}
