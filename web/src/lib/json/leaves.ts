// All values of a record by their path, and what differs between two records.
import { embedded, keyOf, rawOf, type Document, type Node } from './tokens.ts';

export interface Leaf {
  path: string;
  raw: string;
}

/** Values in the order of the record; JSON in strings is opened, an empty object or array is a value. */
export function leaves(document: Document): Leaf[] {
  const found: Leaf[] = [];
  const todo: { document: Document; node: Node; path: string }[] = document.root ? [{ document, node: document.root, path: '' }] : [];
  while (todo.length > 0) {
    const { document: of, node, path } = todo.pop()!;
    const inner = embedded(of, node);
    if (inner?.root) {
      todo.push({ document: inner, node: inner.root, path });
      continue;
    }
    if (node.children.length === 0) {
      found.push({ path, raw: rawOf(of, node) });
      continue;
    }
    for (let at = node.children.length - 1; at >= 0; at -= 1) {
      const one = node.children[at]!;
      todo.push({ document: of, node: one, path: node.kind === 'array' ? `${path}[${at}]` : path === '' ? (keyOf(of, one) ?? '') : `${path}.${keyOf(of, one) ?? ''}` });
    }
  }
  return found;
}

export interface Difference {
  path: string;
  before: string | null;
  after: string | null;
}

/** What was added, taken away or changed, in the order of the later record; repeated keys are told apart by their turn. */
export function differences(before: Document, after: Document): { changed: Difference[]; same: number } {
  const numbered = (list: Leaf[]): Map<string, Leaf> => {
    const turns = new Map<string, number>();
    return new Map(list.map((leaf) => {
      const turn = turns.get(leaf.path) ?? 0;
      turns.set(leaf.path, turn + 1);
      return [turn === 0 ? leaf.path : `${leaf.path} (${turn + 1})`, leaf];
    }));
  };
  const [old, now] = [numbered(leaves(before)), numbered(leaves(after))];
  const changed: Difference[] = [];
  let same = 0;
  for (const [path, leaf] of now) {
    const was = old.get(path);
    if (was?.raw === leaf.raw) same += 1;
    else changed.push({ path, before: was?.raw ?? null, after: leaf.raw });
  }
  for (const [path, leaf] of old) if (!now.has(path)) changed.push({ path, before: leaf.raw, after: null });
  return { changed, same };
}
