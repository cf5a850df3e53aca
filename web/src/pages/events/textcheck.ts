// The grammar of `text=` as far as a mistake can be shown while it is typed, at its character; and conditions that somebody
// typed as text because other systems take them so.
import { condition, type Condition } from '$lib/filter/model.ts';
import { fields } from '$lib/fields.svelte.ts';

export interface TextFault {
  what: 'quote' | 'within' | 'emptyPhrase';
  /** The character, from 1. */
  at: number;
}

/** What is wrong with a text condition, or null. The server's own rules. */
export function textFault(text: string): TextFault | null {
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text[at]!)) at += 1;
    else if (text[at] === '"') {
      const end = closing(text, at);
      if (end < 0) return { what: 'quote', at: at + 1 };
      if (text.slice(at + 1, end).trim() === '') return { what: 'emptyPhrase', at: at + 1 };
      at = end + 1;
    } else {
      const from = at;
      while (at < text.length && !/[\s"]/.test(text[at]!)) at += 1;
      if (text[at] !== '"') continue;
      const path = text.slice(from, at);
      if (!/^[^:]+:$/.test(path)) return { what: 'within', at: at + 1 };
      const end = closing(text, at);
      if (end < 0) return { what: 'quote', at: at + 1 };
      at = end + 1;
    }
  }
  return null;
}

function closing(text: string, open: number): number {
  for (let at = open + 1; at < text.length; at += 1) {
    if (text[at] === '\\' && (text[at + 1] === '"' || text[at + 1] === '\\')) at += 1;
    else if (text[at] === '"') return at;
  }
  return -1;
}

/** A condition that a word of the text looks like (`source:ECS`, `-操作用户:bot`), and the text without it. */
export function meant(text: string): { condition: Condition; rest: string } | null {
  for (const match of text.matchAll(/(?<=^|\s)(-?)([^\s:"]+):("(?:[^"\\]|\\.)*"|[^\s"]+)/g)) {
    const [word, minus, name = '', value = ''] = match;
    const known = fields.all.find((field) => [field.name, field.cts, field.label.zh, field.label.en].some((one) => one !== null && one.toLowerCase() === name.toLowerCase()));
    if (!known?.operators.includes('=')) continue;
    const bare = value.startsWith('"') ? value.slice(1, -1).replace(/\\(["\\])/g, '$1') : value;
    if (bare === '') continue;
    const starts = bare.endsWith('*') && bare.length > 1 && known.operators.includes('prefix');
    const op = starts ? (minus ? 'not-prefix' : 'prefix') : minus ? 'not' : 'is';
    return { condition: condition(known.name, op, starts ? bare.slice(0, -1) : bare), rest: (text.slice(0, match.index) + text.slice(match.index + word.length)).replace(/\s+/g, ' ').trim() };
  }
  return null;
}
