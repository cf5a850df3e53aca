// The rows of a record's tree that are open, flat and in order: what is drawn, and what keys move over. Children are made
// into rows only when their node is open, and a hundred at a time.
import { SvelteMap } from 'svelte/reactivity';
import { embedded, keyOf, type Document, type Node } from '$lib/json/tokens.ts';

export interface Row {
  id: string;
  document: Document;
  node: Node;
  depth: number;
  name: string | null;
  /** For people: `request.items[0].id`. */
  path: string;
  /** For filters, which pass through arrays: `request.items.id`. */
  route: string[];
  /** The document within, if the node is a string that is one. */
  inner: Document | null;
  open: boolean;
  count: number;
  /** Instead of a node: so many children more. */
  more: number;
}

const STEP = 100;
/** Nodes that are open at first: down to this depth, if they have no more children than that. */
const OPEN_DEPTH = 2;
const OPEN_CHILDREN = 40;

export class Tree {
  readonly #document: Document;
  readonly #start: Node | null;
  readonly #base: { path: string; route: string[] };
  /** What was opened or closed by hand. */
  readonly #opened = new SvelteMap<string, boolean>();
  readonly #limits = new SvelteMap<string, number>();
  readonly #inner = new WeakMap<Node, Document | { none: true }>();

  constructor(document: Document, start: Node | null = document.root, base: { path: string; route: string[] } = { path: '', route: [] }) {
    this.#document = document;
    this.#start = start;
    this.#base = base;
  }

  readonly rows: Row[] = $derived.by(() => {
    const rows: Row[] = [];
    if (this.#start) this.#add(rows, this.#document, this.#start, 0, null, this.#base.path, this.#base.route, '');
    return rows;
  });

  toggle(row: Row, open = !row.open): void {
    this.#opened.set(row.id, open);
  }

  /** Opening everything stopped before all was open. */
  partial = $state(false);

  /** All that is shown, and all below it, open or closed. The root stays open. */
  all(open: boolean): void {
    this.partial = false;
    if (!open) for (const row of this.rows) if (row.depth > 0 && row.count > 0) this.#opened.set(row.id, false);
    // Opening goes down level by level, so that a record of any size stays a page.
    for (let round = 0; open && round < 12 && this.rows.length < 2_000; round += 1) {
      const closed = this.rows.filter((row) => row.count > 0 && !row.open);
      if (closed.length === 0) break;
      for (const row of closed) this.#opened.set(row.id, true);
    }
    this.partial = open && this.rows.some((row) => (row.count > 0 && !row.open) || row.more > 0);
  }

  showMore(row: Row): void {
    this.#limits.set(row.id, (this.#limits.get(row.id) ?? STEP) + STEP * 5);
  }

  #innerOf(document: Document, node: Node): Document | null {
    if (node.kind !== 'string') return null;
    let known = this.#inner.get(node);
    if (known === undefined) this.#inner.set(node, (known = embedded(document, node) ?? { none: true }));
    return 'none' in known ? null : known;
  }

  #add(rows: Row[], document: Document, node: Node, depth: number, name: string | null, path: string, route: string[], id: string): void {
    const inner = this.#innerOf(document, node);
    const parent = inner?.root ?? node;
    const count = parent.children.length;
    const open = count > 0 && (this.#opened.get(id) ?? (depth < OPEN_DEPTH && (count <= OPEN_CHILDREN || depth === 0)));
    rows.push({ id, document, node, depth, name, path, route, inner, open, count, more: 0 });
    if (!open) return;
    const of = inner ?? document;
    const limit = this.#limits.get(id) ?? STEP;
    for (let at = 0; at < Math.min(count, limit); at += 1) {
      const one = parent.children[at]!;
      const key = keyOf(of, one);
      const next = key === null ? `${path}[${at}]` : path === '' ? key : `${path}.${key}`;
      this.#add(rows, of, one, depth + 1, key ?? String(at), next, key === null ? route : [...route, key], `${id}/${at}`);
    }
    if (count > limit) rows.push({ id, document: of, node: parent, depth: depth + 1, name: null, path, route, inner: null, open: false, count: 0, more: count - limit });
  }
}
