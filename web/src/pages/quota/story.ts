// The life of a quota in a few lines: what happened in a row is one line. And the records that witness an operation.
import { relatedIds, type Entry } from '../../lib/partner/ledger.ts';
import { ZERO, type Amount } from '../../lib/partner/decimal.ts';

/** Operations of one kind in a row. */
export interface Run {
  name: string;
  outcome: Entry['outcome'];
  from: string;
  to: string;
  entries: Entry[];
  change: Amount;
}

export function storyOf(entries: readonly Entry[]): Run[] {
  const runs: Run[] = [];
  for (const entry of entries) {
    const name = nameOf(entry);
    const last = runs.at(-1);
    if (last && last.name === name && last.outcome === entry.outcome) {
      last.to = entry.event.time;
      last.entries.push(entry);
      last.change += entry.change ?? ZERO;
    } else {
      runs.push({ name, outcome: entry.outcome, from: entry.event.time, to: entry.event.time, entries: [entry], change: entry.change ?? ZERO });
    }
  }
  return runs;
}

/** The event name, or what it means here: a grant of a quota below takes from this one. */
export function nameOf(entry: Entry): string {
  if (entry.effect === 'grantOn' || entry.effect === 'takeBackFrom') return entry.effect;
  return entry.event.event_name ?? '';
}

/** How far apart an operation's record and a trace of the call may be stamped. */
const WITNESS_MS = 5 * 60_000;

/** Events of other interfaces that tell of the same operation: the same coupon or quota, at about the same time. An inference. */
export function witnessesOf(entry: Entry, entries: readonly Entry[]): Entry[] {
  if (entry.effect === 'evidence') return [];
  const at = Date.parse(entry.event.time);
  return entries.filter((other) => {
    if (other.effect !== 'evidence' || Math.abs(Date.parse(other.event.time) - at) > WITNESS_MS) return false;
    return entry.coupon === undefined ? other.coupon === undefined : relatedIds(other.event, 'coupon').includes(entry.coupon);
  });
}
