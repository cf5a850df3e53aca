// What a dashboard is about: the filter and the period of the address, fixed to two moments when it is asked.
//
// "Last 30 days" moves with every look at the clock; two numbers of one page would then be of two periods. So the page looks
// once, at the beginning of a minute, and again when it is refreshed.
import { context } from '../../lib/context.svelte.ts';
import { fromPairs } from '../../lib/filter/url.ts';
import { address } from '../../lib/filter/words.ts';
import type { Filter } from '../../lib/filter/model.ts';
import { pairsOf, router } from '../../lib/router.svelte.ts';
import { extentBefore } from '../../lib/time/calendar.ts';
import { extentOf, type Period } from '../../lib/time/period.ts';
import { within, type Extent } from './questions.ts';

const MINUTE = 60_000;
export const DEFAULT_LAST = '30d';
/** How often the page asks by itself, in seconds; as the address has it. */
export const REFRESHES = ['0', '30', '300'] as const;

export class DashboardState {
  #now = $state(Date.now());

  /** The filter of the address, with its period. */
  readonly filter: Filter = $derived(fromPairs(pairsOf(router.search)));
  readonly tenant: string = $derived(context.tenant);
  readonly period: Period = $derived(this.filter.period.kind === 'all' && router.params.get('range') !== 'all' ? { kind: 'last', last: DEFAULT_LAST } : this.filter.period);
  readonly extent: Extent = $derived.by(() => {
    const { from, to } = extentOf(this.period, this.#minute);
    return this.period.kind === 'last' ? { from, to: this.#minute } : { from, to };
  });
  /** A span that counts back from now is no stretch of a calendar, where it may happen to end. */
  readonly before: Extent | null = $derived(extentBefore(this.extent, this.period.kind === 'fixed' ? context.zone : null));
  /** The filter with the two moments in the place of the period. */
  readonly asked: Filter = $derived(within(this.filter, this.extent));
  readonly askedBefore: Filter | null = $derived(this.before && within(this.filter, this.before));
  readonly refresh: string = $derived(REFRESHES.find((every) => every === router.params.get('refresh')) ?? '0');

  /** The end of the running minute, so that what is happening now is in it. */
  get #minute(): number {
    return (Math.floor(this.#now / MINUTE) + 1) * MINUTE;
  }

  get asOf(): number {
    return this.#now;
  }

  look(): void {
    this.#now = Date.now();
  }

  choosePeriod(period: Period): void {
    const fixed = period.kind === 'fixed' ? period : { from: null, to: null };
    this.look();
    router.set({ last: period.kind === 'last' ? period.last : null, from: fixed.from, to: fixed.to, range: period.kind === 'all' ? 'all' : null });
  }

  /** Other conditions, with everything else of the address kept. */
  chooseFilter(filter: Filter): void {
    const kept = pairsOf(router.search).filter(([name]) => ['tenant', 'tz', 'lang', 'range', 'refresh'].includes(name));
    router.go(address('/dashboards', filter, kept));
  }

  chooseRefresh(every: string): void {
    router.set({ refresh: every === '0' ? null : every }, { replace: true });
  }

  /** Writes the period into an address that has none, so that the address says all. */
  settle(): void {
    if (this.filter.period.kind === 'all' && router.params.get('range') !== 'all') router.set({ last: DEFAULT_LAST }, { replace: true });
  }
}
