// Clocks: the same answers whatever zone the machine is in; changes of clocks are said, not guessed away.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { calendarExtent, extentBefore } from './calendar.ts';
import { parseDuration, parseMoment } from './parse.ts';
import { extentOf, fixedPeriod, momentMs, pinned } from './period.ts';
import { momentOf, offsetOf, showTime, wallOf, zoneLabel } from './zone.ts';

const NOW = Date.parse('2026-11-22T07:04:05.123Z');
const at = (typed: string, zone = 'Asia/Shanghai'): string => {
  const parsed = parseMoment(typed, zone, NOW);
  return 'ms' in parsed ? new Date(parsed.ms).toISOString() : parsed.error;
};

test('moments on wall clocks', () => {
  assert.equal(showTime(NOW, 'Asia/Shanghai'), '2026-11-22 15:04:05.123');
  assert.equal(showTime(NOW, 'Asia/Shanghai', 'iso'), '2026-11-22T15:04:05.123+08:00');
  assert.equal(showTime(NOW, 'UTC', 'iso'), '2026-11-22T07:04:05.123Z');
  assert.equal(showTime(Date.parse('2026-11-21T16:00:00Z'), 'Asia/Shanghai'), '2026-11-22 00:00:00.000', 'midnight is 00, never 24');
  assert.equal(zoneLabel('Asia/Kolkata', NOW), 'UTC+05:30');
  assert.equal(showTime(-62135596800000, 'UTC', 'date'), '0001-01-01');
});

test('clocks that are put forward and back', () => {
  const zone = 'America/New_York';
  const wall = { year: 2026, month: 3, day: 8, hour: 2, minute: 30, second: 0, milli: 0 };
  const gap = momentOf(zone, wall);
  assert.equal(gap?.note, 'gap');
  assert.equal(new Date(gap!.ms).toISOString(), '2026-03-08T07:00:00.000Z');
  const twice = momentOf(zone, { ...wall, month: 11, day: 1, hour: 1 });
  assert.equal(twice?.note, 'twice');
  assert.equal(new Date(twice!.ms).toISOString(), '2026-11-01T05:30:00.000Z');
  assert.equal(new Date(twice!.second!).toISOString(), '2026-11-01T06:30:00.000Z');
  assert.equal(momentOf(zone, { ...wall, month: 2, day: 30 }), null);
  assert.equal(offsetOf(zone, Date.parse('2026-03-08T06:59:59Z')), -5 * 36e5);
  assert.equal(offsetOf(zone, Date.parse('2026-03-08T07:00:00Z')), -4 * 36e5);
});

test('wall clocks and moments are each other', () => {
  for (const zone of ['Asia/Shanghai', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'UTC']) {
    for (let ms = Date.parse('2026-01-01T00:00:00Z'); ms < Date.parse('2027-01-01T00:00:00Z'); ms += 13_577_321) {
      const found = momentOf(zone, wallOf(zone, ms));
      assert.ok(found && (found.ms === ms || found.second === ms), `${zone} ${ms}`);
    }
  }
});

test('moments as people type them', () => {
  assert.equal(at('昨天 9点'), '2026-11-21T01:00:00.000Z');
  assert.equal(at('昨天 下午3点半'), '2026-11-21T07:30:00.000Z');
  assert.equal(at('yesterday 9:00'), '2026-11-21T01:00:00.000Z');
  assert.equal(at('今天'), '2026-11-21T16:00:00.000Z');
  assert.equal(at('2026-11-22'), '2026-11-21T16:00:00.000Z');
  assert.equal(at('2026-11-22 15:04'), '2026-11-22T07:04:00.000Z');
  assert.equal(at('2026/11/22 15:04:05.5'), '2026-11-22T07:04:05.500Z');
  assert.equal(at('2026-11-22T15:04:05+08:00', 'UTC'), '2026-11-22T07:04:05.000Z');
  assert.equal(at('2026-11-22T07:04:05.123Z'), new Date(NOW).toISOString());
  assert.equal(at('2026年11月22日 8点'), '2026-11-22T00:00:00.000Z');
  assert.equal(at('1763795045123'), new Date(1763795045123).toISOString());
  assert.equal(at('1763795045'), '2025-11-22T07:04:05.000Z');
  assert.equal(at('2 hours ago'), '2026-11-22T05:04:05.123Z');
  assert.equal(at('3天前'), '2026-11-19T07:04:05.123Z');
  assert.equal(at('-15m'), '2026-11-22T06:49:05.123Z');
  assert.equal(at('2026-02-30'), 'no-such-date');
  assert.equal(at('soon'), 'unknown');
  assert.equal(at(' '), 'empty');
  assert.equal(at('2026-11-22 25:00'), 'no-such-date');
});

test('periods', () => {
  assert.equal(parseDuration('7d'), 7 * 864e5);
  for (const text of ['0d', '7', 'd', '-1d', '1y', '1e3d']) assert.equal(parseDuration(text), null, text);
  assert.equal(momentMs('2026-01-01'), null);
  assert.equal(momentMs('2026-01-01T00:00:00Z'), 1767225600000);
  assert.deepEqual(extentOf({ kind: 'last', last: '1h' }, NOW), { from: NOW - 36e5, to: null });
  assert.deepEqual(pinned({ kind: 'last', last: '1h' }, NOW), fixedPeriod(NOW - 36e5, NOW));
});

const iso = (extent: { from: number | null; to: number | null } | null): (string | null)[] => [extent?.from, extent?.to].map((ms) => (ms == null ? null : new Date(ms).toISOString()));
/** The period before two wall clock times of a zone, as wall clock times. */
const before = (zone: string, from: string, to: string): string => {
  const ms = (typed: string): number => {
    const parsed = parseMoment(typed, zone, NOW);
    assert.ok('ms' in parsed, typed);
    return parsed.ms;
  };
  const found = extentBefore({ from: ms(from), to: ms(to) }, zone)!;
  assert.equal(found.to, ms(from), 'it ends where the other begins');
  return `${showTime(found.from, zone, 'minute')} – ${showTime(found.to, zone, 'minute')}`;
};

test('stretches of the calendar, by the wall clock of the zone', () => {
  assert.deepEqual(iso(calendarExtent('Asia/Shanghai', 'month', 1, NOW)), ['2026-09-30T16:00:00.000Z', '2026-10-31T16:00:00.000Z']);
  assert.deepEqual(iso(calendarExtent('UTC', 'month', 11, NOW)), ['2025-12-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z']);
  assert.deepEqual(iso(calendarExtent('UTC', 'year', 0, NOW)), ['2026-01-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z']);
  assert.deepEqual(iso(calendarExtent('America/New_York', 'day', 21, NOW)), ['2026-11-01T04:00:00.000Z', '2026-11-02T05:00:00.000Z'], 'a day of 25 hours');
});

test('a calendar month is compared with the calendar month before it, and so are other stretches', () => {
  for (const zone of ['Asia/Shanghai', 'UTC', 'America/New_York', 'Europe/Berlin', 'America/Sao_Paulo', 'Africa/Cairo']) {
    assert.equal(before(zone, '2026-10-01 00:00', '2026-11-01 00:00'), '2026-09-01 00:00 – 2026-10-01 00:00', zone);
    assert.equal(before(zone, '2026-03-01 00:00', '2026-04-01 00:00'), '2026-02-01 00:00 – 2026-03-01 00:00', zone);
    assert.equal(before(zone, '2026-04-01 00:00', '2026-05-01 00:00'), '2026-03-01 00:00 – 2026-04-01 00:00', zone);
    assert.equal(before(zone, '2026-01-01 00:00', '2026-02-01 00:00'), '2025-12-01 00:00 – 2026-01-01 00:00', zone);
    // A quarter, two months, a year, a leap year.
    assert.equal(before(zone, '2026-04-01 00:00', '2026-07-01 00:00'), '2026-01-01 00:00 – 2026-04-01 00:00', zone);
    assert.equal(before(zone, '2026-03-01 00:00', '2026-05-01 00:00'), '2026-01-01 00:00 – 2026-03-01 00:00', zone);
    assert.equal(before(zone, '2026-01-01 00:00', '2027-01-01 00:00'), '2025-01-01 00:00 – 2026-01-01 00:00', zone);
    assert.equal(before(zone, '2025-01-01 00:00', '2026-01-01 00:00'), '2024-01-01 00:00 – 2025-01-01 00:00', zone);
    // Days keep their number and their midnights, also where clocks change between them.
    assert.equal(before(zone, '2026-03-08 00:00', '2026-03-09 00:00'), '2026-03-07 00:00 – 2026-03-08 00:00', zone);
    assert.equal(before(zone, '2026-03-29 00:00', '2026-04-05 00:00'), '2026-03-22 00:00 – 2026-03-29 00:00', zone);
    assert.equal(before(zone, '2026-10-25 00:00', '2026-10-26 00:00'), '2026-10-24 00:00 – 2026-10-25 00:00', zone);
  }
  // In a zone where midnight itself is skipped, the day begins an hour later.
  assert.equal(before('America/Sao_Paulo', '2018-11-04 01:00', '2018-11-05 00:00'), '2018-11-03 00:00 – 2018-11-04 01:00');
  // Anything else: the same span before.
  assert.equal(before('Asia/Shanghai', '2026-10-01 00:00', '2026-10-31 23:00'), '2026-08-31 01:00 – 2026-10-01 00:00');
  assert.deepEqual(extentBefore({ from: 100, to: 150 }, 'UTC'), { from: 50, to: 100 });
  const month = { from: Date.parse('2026-10-01T00:00:00Z'), to: Date.parse('2026-11-01T00:00:00Z') };
  assert.deepEqual(iso(extentBefore(month, null)), ['2026-08-31T00:00:00.000Z', '2026-10-01T00:00:00.000Z']);
  // Months of one zone are none of another.
  assert.deepEqual(iso(extentBefore(month, 'Asia/Shanghai')), ['2026-08-31T00:00:00.000Z', '2026-10-01T00:00:00.000Z']);
  assert.equal(extentBefore({ from: null, to: 5 }, 'UTC'), null);
});
