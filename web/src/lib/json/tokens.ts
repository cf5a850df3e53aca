// A record as a tree over its own text. Nothing is parsed into values: numbers keep their digits, keys their order and
// their repeats, and every node knows the stretch of text it stands for. Where the text is no JSON the tree ends, and says so.

export type Kind = 'object' | 'array' | 'string' | 'number' | 'literal';

export interface Node {
  kind: Kind;
  /** The stretch of the document's text. */
  start: number;
  end: number;
  /** The stretch of the key with its quotes, in an object. */
  key: [number, number] | null;
  children: Node[];
}

export interface Document {
  text: string;
  root: Node | null;
  /** Where the text stops being JSON; null if all of it is. */
  fault: number | null;
}

const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\.)*"/y;
const ATOM = /-?\d[^\s,\]}]*|true|false|null/y;

/** Reads a text. Iterative, so that no nesting is too deep; lenient in what an atom may be, as records are what they are. */
export function tokenize(text: string): Document {
  let at = 0;
  const skip = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found === null) return null;
    at = pattern.lastIndex;
    return found[0];
  };
  const open: Node[] = [];
  let root: Node | null = null;
  const fail = (): Document => {
    for (const node of open) node.end = at;
    return { text, root, fault: at };
  };
  skip(SPACE);
  for (;;) {
    const parent = open.at(-1);
    let key: [number, number] | null = null;
    if (parent?.kind === 'object') {
      const from = at;
      if (skip(STRING) === null) return fail();
      key = [from, at];
      skip(SPACE);
      if (text[at] !== ':') return fail();
      at += 1;
      skip(SPACE);
    }
    const node = value(key);
    if (node === null) return fail();
    if (parent) parent.children.push(node);
    else root = node;
    if ((node.kind === 'object' || node.kind === 'array') && node.end < 0) {
      open.push(node);
      continue;
    }
    if (!close()) return fail();
    if (open.length === 0) {
      skip(SPACE);
      return at === text.length ? { text, root, fault: null } : fail();
    }
  }

  /** A whole value, or the beginning of one that has children: its `end` is not known yet. */
  function value(key: [number, number] | null): Node | null {
    const start = at;
    const node = (kind: Kind, end: number): Node => ({ kind, start, end, key, children: [] });
    const first = text[at];
    if (first === '{' || first === '[') {
      at += 1;
      skip(SPACE);
      if (text[at] === (first === '{' ? '}' : ']')) {
        at += 1;
        return node(first === '{' ? 'object' : 'array', at);
      }
      return node(first === '{' ? 'object' : 'array', -1);
    }
    if (first === '"') return skip(STRING) === null ? null : node('string', at);
    const atom = skip(ATOM);
    return atom === null ? null : node(/^[-\d]/.test(atom) ? 'number' : 'literal', at);
  }

  /** After a value: a comma goes on, closing brackets end what is open. False where neither stands. */
  function close(): boolean {
    while (open.length > 0) {
      skip(SPACE);
      const parent = open.at(-1)!;
      if (text[at] === ',') {
        at += 1;
        skip(SPACE);
        return true;
      }
      if (text[at] !== (parent.kind === 'object' ? '}' : ']')) return false;
      at += 1;
      parent.end = at;
      open.pop();
    }
    return true;
  }
}

export const rawOf = (document: Document, node: Node): string => document.text.slice(node.start, node.end < 0 ? document.text.length : node.end);

/** The text that a string literal stands for. Lone surrogates and NUL are what they are. */
export function unquote(literal: string): string {
  try {
    return JSON.parse(literal) as string;
  } catch {
    return literal.slice(1, -1);
  }
}

export const keyOf = (document: Document, node: Node): string | null => (node.key === null ? null : unquote(document.text.slice(node.key[0], node.key[1])));

/** What a node is copied as: the text of a string, else its stretch of the record. */
export function valueOf(document: Document, node: Node): string {
  const raw = rawOf(document, node);
  return node.kind === 'string' ? unquote(raw) : raw;
}

/** The document within a string, if it is one: records carry JSON in strings. */
export function embedded(document: Document, node: Node): Document | null {
  if (node.kind !== 'string' || !/^"\s*(?:[[{]|\\[nrt])/.test(document.text.slice(node.start, node.start + 4))) return null;
  const text = unquote(rawOf(document, node));
  if (!/^\s*[[{]/.test(text)) return null;
  const inner = tokenize(text);
  return inner.fault === null && inner.root !== null && inner.root.children.length > 0 ? inner : null;
}

/** The first child with a key. */
export function child(document: Document, node: Node | null, key: string): Node | null {
  return node?.children.find((one) => keyOf(document, one) === key) ?? null;
}
