// Where we are: path and query string, over the History API. The query string is the whole state of a page.

import { pairsOf, queryOf } from './query-string.ts';

export { pairsOf, queryOf };

/** How to go somewhere. */
export interface GoOptions {
  /** Take the place of the current entry: for what Back should not undo (typing, scrolling). */
  replace?: boolean;
}

class Router {
  path = $state(location.pathname);
  search = $state(location.search);
  readonly params = $derived(new URLSearchParams(this.search));

  constructor() {
    window.addEventListener('popstate', () => this.#read());
  }

  /** Goes to an address of this page. */
  go(to: string, { replace = false }: GoOptions = {}): void {
    const url = new URL(to, location.href);
    if (url.origin !== location.origin) return;
    const same = url.pathname === location.pathname && url.search === location.search;
    const address = url.pathname + url.search + url.hash;
    if (replace || same) history.replaceState(null, '', address);
    else history.pushState(null, '', address);
    this.#read();
  }

  /** Sets parameters of the query string; `null` takes one away. The others stay as they are. */
  set(changes: Record<string, string | null>, options: GoOptions = {}): void {
    const kept = pairsOf(location.search).filter(([name]) => !(name in changes));
    const added = Object.entries(changes).filter((pair): pair is [string, string] => pair[1] !== null);
    this.go(location.pathname + queryOf([...kept, ...added]), options);
  }

  #read(): void {
    this.path = location.pathname;
    this.search = location.search;
  }
}

export const router = new Router();

/** Lets plain clicks on links of this page go through the router; use as `onclick` on a container. */
export function followLinks(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element).closest('a');
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  if (link.getAttribute('href')?.startsWith('#') || link.pathname.startsWith('/api/') || link.pathname.startsWith('/auth/')) return;
  event.preventDefault();
  router.go(link.href);
}
