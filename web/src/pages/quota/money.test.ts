// Decimals, ledgers, relationships and heat maps: what the pages compute, without a page.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heatOf } from '../dashboards/heat.ts';
import { relationOf } from '../../lib/partner/relation.ts';
import { couponsOf } from './coupons.ts';
import { amountLabel, amountText, changePermille, parseAmount, permilleLabel, ratio } from '../../lib/partner/decimal.ts';
import { ledgerOf, type LedgerEvent } from '../../lib/partner/ledger.ts';
import { rawMember } from '../../lib/partner/raw.ts';

const units = (text: string): bigint => parseAmount(text)!;
let seq = 0;
const event = (event_name: string, amount: string | undefined, more: Partial<LedgerEvent> = {}): LedgerEvent => ({
  tenant: 't', seq: (seq += 1), trace_id: `e${seq}`, time: new Date(Date.UTC(2026, 0, 1) + seq * 60_000).toISOString(), format: 'partner', event_name, code: '0',
  ...(amount === undefined ? {} : { amount }), related_ids: ['quota:Q'], ...more,
});
const quota = (name: string, amount: string, more: Partial<LedgerEvent> = {}): LedgerEvent => event(name, amount, { resource_type: 'couponQuota', resource_id: 'Q', ...more });
const coupon = (name: string, amount: string, id = 'C', more: Partial<LedgerEvent> = {}): LedgerEvent =>
  event(name, amount, { resource_type: 'coupon', resource_id: id, related_ids: ['quota:Q', `coupon:${id}`, 'customer:K'], ...more });

test('decimals are exact, and what would be rounded is refused', () => {
  assert.equal(amountText(units('0.1') + units('0.2')), '0.30');
  for (const [text, written] of [['5000', '5000.00'], ['-12.345', '-12.345'], ['1.25e3', '1250.00'], ['1E-8', '0.00000001'], ['000.500', '0.50'], ['99999999999999999999999999.99', '99999999999999999999999999.99']] as const) {
    assert.equal(amountText(units(text)), written);
  }
  for (const text of ['', '.', '-', 'abc', '1 000', 'NaN', '0x10', '0.000000001', '1e-9', '1e', null, undefined]) assert.equal(parseAmount(text), null, String(text));
  assert.equal(amountLabel(units('-1234567.125')), '−1,234,567.125');
  assert.equal(amountLabel(units('0.5'), true), '+0.50');
  assert.equal(ratio(units('1'), units('4')), 0.25);
  assert.equal(ratio(1n, 0n), 0);
});

test('changes are rounded half up, from whole numbers', () => {
  assert.deepEqual([[104n, 100n], [96n, 100n], [100n, 100n], [3n, 2000n]].map(([now, before]) => permilleLabel(changePermille(now!, before!)!)), ['+4.0%', '−4.0%', '±0.0%', '−99.9%']);
  assert.equal(changePermille(1n, 0n), null);
});

test('a ledger runs to the cent, and what failed changes nothing', () => {
  const ledger = ledgerOf('Q', [
    quota('grantCouponQuota', '100.00', { resource_name: 'P', related_ids: ['quota:Q', 'parent_quota:R', 'reseller:p'] }),
    coupon('issueCoupon', '30.10'), coupon('issueCoupon', '999.00', 'D', { code: '-1' }), coupon('unbindRecallCoupon', '10.05'),
    event('grantCouponQuota', '5.00', { resource_type: 'couponQuota', resource_id: 'S', related_ids: ['quota:S', 'parent_quota:Q'] }),
    event('createQuota', '1.00', { format: 'cts' }),
  ]);
  assert.equal(amountText(ledger.balance!), '74.95');
  assert.deepEqual(ledger.entries.map((entry) => amountText(entry.running)), ['100.00', '69.90', '69.90', '79.95', '74.95', '74.95']);
  assert.deepEqual([ledger.holder.name, ledger.holder.id, ledger.parent], ['P', 'p', 'R']);
  assert.deepEqual(couponsOf(ledger.entries).map((one) => [one.id, one.standing]), [['C', 'partly'], ['D', 'unknown']]);
  assert.deepEqual(ledger.doubts, []);
});

test('without a grant there is no balance; doubts name what does not add up', () => {
  const bare = ledgerOf('Q', [coupon('issueCoupon', '1.00')]);
  assert.equal(bare.balance, null);
  assert.equal(amountText(bare.net), '-1.00');
  assert.deepEqual(bare.doubts.map((doubt) => doubt.kind), ['noGrant']);
  const kinds = (events: LedgerEvent[]): string[] => ledgerOf('Q', events).doubts.map((doubt) => doubt.kind);
  assert.deepEqual(kinds([quota('grantCouponQuota', '1.00'), coupon('issueCoupon', '2.00')]), ['belowZero']);
  assert.deepEqual(kinds([quota('grantCouponQuota', '1.00'), coupon('issueCoupon', '1.00', 'C', { code: '7' })]), ['unclear']);
  assert.deepEqual(kinds([quota('grantCouponQuota', '5.00'), coupon('issueCoupon', '2.00'), coupon('unbindRecallCoupon', '2.00'), quota('recallCouponQuota', '3.00')]), ['leftAfterTakeBack']);
  assert.deepEqual(kinds([quota('grantCouponQuota', '5.00', { currency: 'CNY' }), coupon('issueCoupon', '2.00', 'C', { currency: 'USD' })]), ['currencies']);
  assert.deepEqual(kinds([quota('grantCouponQuota', '5.00'), coupon('issueCoupon', '2.00', 'C', { tenant: 'u' })]), ['tenants']);
});

test('an unbind is put together from its records, a second request is another one', () => {
  const at = (day: number): string => new Date(Date.UTC(2026, 2, day)).toISOString();
  const request = (day: number): LedgerEvent => event('applyUnbindOrSwitchCooperation', undefined, { format: 'cts', level: 'normal', code: '200', time: at(day), resource_id: 'K', resource_name: 'Kunde' });
  const relation = relationOf('K', [
    coupon('issueCoupon', '9.00', 'C', { time: at(1) }), request(2), coupon('unbindRecallCoupon', '9.00', 'C', { time: at(2) }),
    event('unbindRetrieveAccountAmount', '3.00', { time: at(3) }), request(4), coupon('switchModeRecallCoupon', '1.00', 'D', { time: at(5) }), coupon('issueCoupon', '2.00', 'E', { time: at(20) }),
  ]);
  assert.deepEqual(relation.episodes.map((episode) => [episode.kind, [...episode.signs].sort().join(), amountText(episode.coupons.amount), amountText(episode.account.amount)]),
    [['unbind', 'account,coupons,request', '9.00', '3.00'], ['switch', 'request', '1.00', '0.00']]);
  assert.deepEqual([relation.before.length, relation.after.length, relation.names], [1, 1, ['Kunde']]);
});

test('hours fall on the wall clock of the zone, and none is lost', () => {
  const buckets = Array.from({ length: 24 * 14 }, (_, hour) => ({ start: new Date(Date.UTC(2026, 2, 1) + hour * 3_600_000).toISOString(), count: hour }));
  const total = buckets.reduce((sum, bucket) => sum + bucket.count, 0);
  for (const zone of ['UTC', 'Asia/Shanghai', 'America/New_York']) assert.equal(heatOf(buckets, zone).total, total, zone);
  // 2026-03-01 was a Sunday; 00:00 UTC is 08:00 in Shanghai.
  assert.equal(heatOf([{ start: '2026-03-01T00:00:00Z', count: 5 }], 'Asia/Shanghai').cells[6]![8]!.count, 5);
});

test('members are read as they are written', () => {
  const record = '{ "a" : {"balance": 1}, "list":["balance", ":"], "balance" : 41700.00, "big":9007199254740993, "text":"a\\"b", "none":null }';
  assert.deepEqual(['balance', 'big', 'text', 'none', 'missing'].map((key) => rawMember(record, key)), ['41700.00', '9007199254740993', 'a"b', null, null]);
  for (const odd of ['', '{', 'null', '[1', '{"a"', '"']) assert.equal(rawMember(odd, 'a'), null, odd);
});
