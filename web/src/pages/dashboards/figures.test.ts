// Figures that are set against each other: nothing is rounded to what it is not, and axes say what their ticks are.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { short } from '../../lib/chart/ticks.ts';
import { changeOf } from './figures.ts';

test('changes: per cent, a factor where that is plainer, and from nothing', () => {
  assert.deepEqual(changeOf(104, 100), { way: 'up', percent: '+4.0%' });
  assert.deepEqual(changeOf(96, 100), { way: 'down', percent: '−4.0%' });
  assert.deepEqual(changeOf(7, 7), { way: 'same', percent: '±0.0%' });
  assert.deepEqual(changeOf(999, 100), { way: 'up', percent: '+899.0%' });
  assert.deepEqual(changeOf(1000, 100), { way: 'up', times: '10' });
  assert.deepEqual(changeOf(3349, 2), { way: 'up', times: '1674.5' });
  assert.deepEqual(changeOf(1_234_567, 1), { way: 'up', times: '1234567' });
  assert.deepEqual(changeOf(5, 0), { way: 'up', fromNone: true });
  assert.equal(changeOf(0, 0), null);
  assert.deepEqual(changeOf(0, 5), { way: 'down', percent: '−100.0%' });
  assert.deepEqual(changeOf(1, 1_000_000), { way: 'down', percent: '<−99.9%' });
  assert.deepEqual(changeOf(1_000_001, 1_000_000), { way: 'up', percent: '<+0.1%' });
  assert.deepEqual(changeOf(999_999, 1_000_000), { way: 'down', percent: '>−0.1%' });
});

test('what stands beside a tick is the tick', () => {
  for (const [value, en, zh] of [[2250, '2.25K', '2250'], [2500, '2.5K', '2500'], [0, '0', '0'], [12_500, '12.5K', '1.25万'], [122_500, '122.5K', '12.25万'], [1_250_000, '1.25M', '125万'], [0.1 + 0.2, '0.3', '0.3'], [0.25, '0.25', '0.25'], [0.025, '0.025', '0.025'], [-1750, '-1.75K', '-1750']] as const) {
    assert.equal(short(value, 'en'), en);
    assert.equal(short(value, 'zh-CN'), zh);
  }
});
