// The filter model and its forms: what goes out comes back, whatever it is; what cannot be read is shown, not dropped.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { add, condition, EMPTY, exclude, negated, only, presence, stateOf, toggle, withText, type Filter, type Operation } from './model.ts';
import { fromPairs, isAskable, toPairs, toParams } from './url.ts';
import { fromLines, toLines } from './words.ts';
import { queryOf, pairsOf } from '../query-string.ts';

/** A small seeded generator: failures can be run again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
const FIELDS = ['source', 'event_name', 'operator', 'resource_id', 'level', 'related_ids'];
const VALUES = ['ECS', 'a b', 'a+b', 'a&b=c', '~x', '中文/企业', '50%', '"q"', '\\n', '#', ' lead', '😀', "'", '⟦U+202E⟧', '\u202e', 'x'.repeat(300), 'exists', '..', '?', '\n'];

test('model → address → model', () => {
  const next = random(7);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!;
  for (let round = 0; round < 2_000; round += 1) {
    let filter: Filter = EMPTY;
    for (let count = Math.floor(next() * 6); count > 0; count -= 1) {
      const op = pick<Operation>(['is', 'not', 'prefix', 'not-prefix', 'exists', 'absent']);
      const values = op === 'exists' || op === 'absent' ? [] : [pick(VALUES)];
      filter = add(filter, { ...condition(pick(FIELDS), op, ...values), paused: next() < 0.3 });
    }
    if (next() < 0.3) filter = withText(filter, pick(VALUES.filter((value) => value.trim() !== '')));
    if (next() < 0.3) filter = { ...filter, period: { kind: 'last', last: '7d' } };
    else if (next() < 0.3) filter = { ...filter, period: { kind: 'fixed', from: '2026-01-01T00:00:00Z', to: null } };
    const read = fromPairs(pairsOf(queryOf(toPairs(filter))));
    assert.deepEqual(read, filter);
    const lines = fromLines(toLines(filter));
    assert.ok('filter' in lines);
    assert.deepEqual(lines.filter, filter);
  }
});

test('hostile addresses become faults, never exceptions or silence', () => {
  for (const query of ['?nosuch=1', '?__proto__=x', '?constructor=1', '?source.like=x', '?source=', '?last=never', '?last=7d&from=2026-01-01T00:00:00Z', '?from=yesterday', '?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z', '?level.min=3', '?a%FF=%', '?filter_type=event_name', '?text.prefix=a', '?code.exists=maybe', '?last=1h&last=2h']) {
    const filter = fromPairs(pairsOf(query));
    assert.ok(filter.conditions.some((one) => one.fault !== undefined), query);
    assert.ok(!isAskable(filter), query);
    assert.deepEqual(fromPairs(toPairs(filter)).conditions.length, filter.conditions.length, query);
  }
});

test("the console's filter type is a field by another name", () => {
  assert.deepEqual(fromPairs(pairsOf('?filter_type=resource_id&filter_value=r-1')), fromPairs(pairsOf('?resource_id=r-1')));
});

test('paused conditions stay at home, negated prefixes go as groups', () => {
  const filter = fromPairs(pairsOf('?source=ECS&~operator=li&event_name.prefix.not=create&event_name.prefix.not=del&last=1h&tenant=acme&tz=UTC'));
  assert.deepEqual(toParams(filter), [['source', 'ECS'], ['filter', '{"not":{"event_name.prefix":["create","del"]}}'], ['last', '1h']]);
});

test('only, exclude and presence leave no contradiction', () => {
  let filter = only(EMPTY, 'source', 'ECS');
  filter = exclude(filter, 'source', 'ECS');
  assert.deepEqual(filter.conditions, [condition('source', 'not', 'ECS')]);
  assert.equal(stateOf(filter, 'source', 'ECS'), 'out');
  filter = only(filter, 'source', 'ECS');
  assert.deepEqual(filter.conditions, [condition('source', 'is', 'ECS')]);
  assert.equal(stateOf(filter, 'source', 'ECS'), 'in');
  assert.deepEqual(presence(filter, 'source', false).conditions, [condition('source', 'absent')]);
  filter = toggle(toggle(filter, 'source', 'VPC'), 'source', 'ECS');
  assert.deepEqual(filter.conditions, [condition('source', 'is', 'VPC')]);
  assert.deepEqual(toggle(filter, 'source', 'VPC', 'not').conditions, [condition('source', 'not', 'VPC')]);
  assert.deepEqual(negated(negated(filter.conditions[0]!)), filter.conditions[0]);
});
