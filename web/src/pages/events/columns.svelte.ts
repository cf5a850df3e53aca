// Which columns the list shows, in which order and how wide. The address says it if it was chosen there; else this
// browser's last choice, which a link takes along.
import { TRAIL } from '$lib/access/rights.ts';
import { context } from '$lib/context.svelte.ts';
import { fields } from '$lib/fields.svelte.ts';
import { Persisted, isTexts } from '$lib/persisted.svelte.ts';
import { router } from '$lib/router.svelte.ts';

/** The most columns at a time: more can be read in the drawer, and a row stays a row. */
export const COLUMNS_MAX = 12;

export const PRESETS = {
  audit: ['time', 'level', 'event_name', 'source', 'resource_type', 'resource_name', 'operator', 'source_ip'],
  security: ['time', 'level', 'event_name', 'operator', 'source_ip', 'access_key_id', 'trace_type', 'code', 'resource_name'],
  quota: ['time', 'event_name', 'amount', 'currency', 'resource_id', 'related_ids', 'operator', 'code', 'level'],
  calls: ['time', 'event_name', 'operator', 'source_ip', 'resource_name', 'level', 'code', 'resource_id'],
} as const;
export type Preset = keyof typeof PRESETS;

const WIDTHS: Record<string, number> = {
  time: 186, record_time: 186, ingest_time: 186, level: 92, event_name: 168, source: 124, resource_type: 116, resource_name: 176, resource_id: 176,
  operator: 128, source_ip: 124, trace_type: 116, code: 72, amount: 116, currency: 72, related_ids: 240, tenant: 150, read_only: 84, event_type: 92, format: 92,
};
const WIDTH_DEFAULT = 140;
/** How much narrower than it would like a column may be, and what none goes below. */
const SHARE_MIN = 0.74;
const NARROW = 96;
/** What a narrow list shows first. */
const FIRST = ['time', 'event_name', 'operator', 'level', 'resource_name', 'resource_id'];
const WIDTH_MIN = 56;
const WIDTH_MAX = 900;

const isWidths = (stored: unknown): stored is Record<string, number> =>
  typeof stored === 'object' && stored !== null && Object.values(stored).every((width) => typeof width === 'number' && width >= WIDTH_MIN && width <= WIDTH_MAX);

const chosen = new Persisted<string[]>('columns', [], isTexts);
const widths = new Persisted<Record<string, number>>('column-widths', {}, isWidths);

const usable = (names: readonly string[]): string[] => [...new Set(names)].filter((name) => name !== 'original' && fields.get(name) !== undefined).slice(0, COLUMNS_MAX);

class Columns {
  /** The columns, `time` among them always: rows without it could not be read. */
  readonly names: string[] = $derived.by(() => {
    const said = usable((router.params.get('cols') ?? '').split(','));
    // What was chosen for events says nothing of calls.
    if (said.length === 0 && context.tenant === TRAIL) return [...PRESETS.calls];
    const names = said.length > 0 ? said : usable(chosen.value);
    if (names.length > 0) return names.includes('time') ? names : ['time', ...names];
    const several = context.tenant === '*' || context.tenant.includes(',');
    return [...PRESETS.audit, ...(several ? ['tenant'] : [])];
  });

  set(names: readonly string[]): void {
    if (context.tenant !== TRAIL) chosen.value = usable(names);
    router.set({ cols: usable(names).join(',') }, { replace: true });
  }

  /** Back to what is shown to somebody new. */
  reset(): void {
    if (context.tenant !== TRAIL) chosen.value = [];
    widths.value = {};
    router.set({ cols: null }, { replace: true });
  }

  width(name: string): number {
    return widths.value[name] ?? WIDTHS[name] ?? WIDTH_DEFAULT;
  }

  /** What a column can do with, so that another one finds room. Times are never cut. */
  least(name: string): number {
    const width = this.width(name);
    return name === 'time' ? width : Math.max(Math.min(width, NARROW), Math.round(width * SHARE_MIN));
  }

  resize(name: string, width: number): void {
    widths.value = { ...widths.value, [name]: Math.round(Math.max(WIDTH_MIN, Math.min(width, WIDTH_MAX))) };
  }

  /**
   * As many of the columns as a width has room for, in their order; the last one takes what is left. When there is too
   * little, who did what to what stays longest.
   */
  fitting(room: number): string[] {
    const rank = (name: string): number => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length + this.names.indexOf(name));
    const kept = new Set<string>();
    let used = 0;
    for (const name of [...this.names].sort((left, right) => rank(left) - rank(right))) {
      used += this.least(name);
      if (used > room && kept.size > 0) break;
      kept.add(name);
    }
    return this.names.filter((name) => kept.has(name));
  }
}

export const columns = new Columns();
