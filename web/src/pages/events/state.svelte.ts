// The state of the page: all of it is in the address. What changes it goes through the router, and comes back from there.
import { keyOf, type Question } from '$lib/api/calls.ts';
import { TRAIL } from '$lib/access/rights.ts';
import { context } from '$lib/context.svelte.ts';
import { EMPTY, type Filter } from '$lib/filter/model.ts';
import { fromPairs, isAskable, toPairs } from '$lib/filter/url.ts';
import { pairsOf, queryOf, router } from '$lib/router.svelte.ts';
import { locale, type Lang } from '$lib/i18n/index.svelte.ts';
import { Persisted, isBoolean, oneOf } from '$lib/persisted.svelte.ts';
import type { Order } from './list.svelte.ts';

/** Parameters of the address that belong to the page and not to the filter. */
const OWN = ['tenant', 'tz', 'lang', 'cols', 'sort', 'event', 'seq', 'tab', 'view', 'at', 'pins', 'mode'];

class PageState {
  readonly filter: Filter = $derived(router.path === '/' ? fromPairs(pairsOf(router.search)) : EMPTY);
  readonly question: Question = $derived({ tenant: context.tenant, filter: this.filter });
  /** Whether the list is that of the store's own tenant: what was done, and by whom. */
  readonly isTrail: boolean = $derived(context.tenant === TRAIL);
  readonly order: Order = $derived(router.params.get('sort') === 'asc' ? 'asc' : 'desc');
  readonly askable: boolean = $derived(isAskable(this.filter));
  /** The same for the same events, whatever else the address says. Null if the question cannot be asked. */
  readonly key: string | null = $derived(this.askable ? keyOf(this.question) : null);
  readonly paged: boolean = $derived(router.params.get('mode') === 'pages');
  /** The open event. */
  readonly event: string | null = $derived(router.params.get('event'));
  readonly seq: number | null = $derived(Number(router.params.get('seq')) || null);

  /** The language of labels. */
  get lang(): Lang {
    return locale.lang;
  }

  readonly facetsShown = new Persisted<boolean>('facets', true, isBoolean);
  readonly timelineShown = new Persisted<boolean>('timeline', true, isBoolean);
  readonly density = new Persisted<'compact' | 'roomy'>('density', 'compact', oneOf('compact', 'roomy'));

  /** Asks something else: a step that Back undoes. The open event stays open, a place in the list does not. */
  change(filter: Filter): void {
    const kept = pairsOf(router.search).filter(([name]) => OWN.includes(name) && name !== 'at');
    router.go(`/${queryOf([...kept, ...toPairs(filter)])}`);
  }

  /** The address of this page with another filter. */
  addressOf(filter: Filter, more: readonly [string, string][] = []): string {
    const names = more.map(([name]) => name);
    const kept = pairsOf(router.search).filter(([name]) => ['tenant', 'tz', 'lang', 'cols', 'sort', 'mode'].includes(name) && !names.includes(name));
    return `/${queryOf([...kept, ...more, ...toPairs(filter)])}`;
  }

  /** Opens an event. Walking from one to the next makes no steps for Back. */
  open(traceId: string, seq: number, walking: boolean): void {
    router.set({ event: traceId, seq: String(seq) }, { replace: walking });
  }

  close(): void {
    router.set({ event: null, seq: null, tab: null }, { replace: true });
  }
}

export const page = new PageState();
