// What follows from who one is, what stays of a token in an address, and that settings survive being edited.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grantOf, limitOf, momentOf, patchOf, settingOf, typedOf } from '../../pages/access/form.ts';
import { failureOf, hasToken, tokenOf } from './fragment.ts';
import { hasMasks, isLimited, maskOf, mayOpen, rightsOf, TRAIL } from './rights.ts';
import { pairsOfRows, readRows, rowsText, same } from './rows.ts';
import type { Grant, Me } from './types.ts';

const me = (...roles: string[]): Me => ({ name: 'x', roles, tenants: ['a'], credentials: true });

test('a token of the fragment is taken whole, and anything else of the address is left', () => {
  assert.equal(tokenOf('#token=annals_abc'), 'annals_abc');
  assert.equal(tokenOf('#token=%20annals_abc%0A'), 'annals_abc');
  assert.equal(tokenOf('#token='), null);
  assert.ok(hasToken('#token='), 'an empty one is taken out of the address too');
  for (const other of ['', '#', '#main', '#tokens=x', '?token=x']) {
    assert.equal(tokenOf(other), null, other);
    assert.ok(!hasToken(other), other);
  }
});

test('roles lead to the pages that they are for and to no other', () => {
  const open = (roles: string[], path: string, tenant = '*'): boolean => mayOpen(rightsOf(me(...roles)), path, tenant);
  for (const role of ['reader', 'auditor', 'tenant_administrator']) {
    for (const path of ['/', '/dashboards', '/quota', '/relation']) assert.ok(open([role], path), `${role} ${path}`);
    assert.ok(!open([role], '/access'), role);
    assert.equal(open([role], '/store'), role !== 'reader', 'quarantine and retention are there');
  }
  assert.ok(open(['system_administrator'], '/store'));
  assert.ok(!open(['system_administrator'], '/') && !open(['system_administrator'], '/access'));
  assert.ok(open(['security_administrator'], '/access'));
  assert.ok(!open(['security_administrator'], '/') && !open(['security_administrator'], '/store'));
  assert.ok(open(['audit_administrator'], '/', TRAIL), 'the trail is read in the event list');
  assert.ok(!open(['audit_administrator'], '/') && !open(['audit_administrator'], '/dashboards', TRAIL));
  assert.ok(!open(['ingest'], '/'));
  assert.ok(!open(['auditor'], '/', TRAIL) && open(['auditor', 'audit_administrator'], '/', TRAIL), 'the trail is for those who may read it');
  assert.ok(open(['reader', 'audit_administrator'], '/') && open(['system_administrator', 'security_administrator'], '/access'));
  assert.ok(open(['role_of_a_newer_server'], '/'), 'what is not known is tried');
  assert.ok(open(['ingest'], '/no/such/page'));
});

test('who sees a part sees no quarantine; who only reads does not export', () => {
  assert.ok(rightsOf(me('auditor')).has('quarantine') && rightsOf(me('auditor')).has('export'));
  assert.ok(!rightsOf({ ...me('auditor'), rows: { source: 'ECS' } }).has('quarantine'));
  assert.ok(!rightsOf(me('reader')).has('export'));
  assert.ok(rightsOf(me('audit_administrator')).has('export'), 'of the trail');
  assert.ok(!rightsOf(me('auditor')).has('keep') && rightsOf(me('tenant_administrator')).has('keep') && !rightsOf(me('tenant_administrator')).has('store'));
});

test('without sign-in everything is open; of somebody unknown the pages are tried, but not access', () => {
  const all = rightsOf({ ...me(), credentials: false });
  for (const right of ['events', 'export', 'quarantine', 'keep', 'store', 'access', 'trail'] as const) assert.ok(all.has(right), right);
  assert.ok(rightsOf(null).has('events') && !rightsOf(null).has('access'));
});

test('a part is told from the whole', () => {
  assert.ok(!isLimited(me('reader')));
  assert.ok(!isLimited({ ...me('reader'), masks: {} }) && !hasMasks({ ...me('reader'), masks: {} }));
  for (const limit of [{ rows: { source: 'ECS' } }, { masks: { source_ip: 'hide' as const } }, { from: '2026-01-01T00:00:00Z' }, { to: '2026-01-01T00:00:00Z' }]) assert.ok(isLimited({ ...me('reader'), ...limit }), JSON.stringify(limit));
  assert.equal(maskOf({ ...me(), masks: { source_ip: 'last4' } }, 'source_ip'), 'last4');
  assert.equal(maskOf({ ...me(), masks: { source_ip: 'last4' } }, 'operator'), null);
  assert.equal(maskOf(null, 'operator'), null);
});

test('rows are read from lines and from JSON, and what cannot be read is said', () => {
  assert.deepEqual(readRows('  \n'), { rows: null });
  assert.deepEqual(readRows('source=ECS\nsource=OBS\nlevel.not=normal'), { rows: { source: ['ECS', 'OBS'], 'level.not': 'normal' } });
  assert.deepEqual(readRows('{"any":[{"source":"ECS"}]}'), { rows: { any: [{ source: 'ECS' }] } });
  assert.deepEqual(readRows('source.prefix.not=E'), { rows: { all: [{ not: { 'source.prefix': ['E'] } }] } });
  for (const wrong of ['{"source"', 'nonsense', 'no_such_field=1', 'source=ECS\nlast=7d', 'from=2026-01-01T00:00:00Z']) assert.ok('fault' in readRows(wrong), wrong);
  for (const rows of [{ source: 'ECS' }, { source: ['a', 'b'] }, { any: [{ source: 'ECS' }, { level: 'normal' }] }, { text: 'a\\nb\nc' }, { 'operator.exists': true }] as Record<string, unknown>[]) {
    const read = readRows(rowsText(rows));
    assert.ok('rows' in read, JSON.stringify(rows));
    const text = (value: unknown): string => JSON.stringify(value).replaceAll('true', '"true"');
    assert.ok(same(JSON.parse(text(read.rows)), JSON.parse(text(rows))), `${JSON.stringify(rows)} → ${rowsText(rows)}`);
  }
  assert.equal(pairsOfRows({ any: [{}] }), null);
});

test('what is edited and not changed makes no patch; what is taken away is null', () => {
  const grant: Grant = { roles: ['reader', 'auditor'], tenants: ['b', 'a'], rows: { source: ['ECS'] }, masks: { source_ip: 'hash' }, from: '2026-01-01T00:00:00.123456Z' };
  const typed = typedOf(grant);
  assert.deepEqual(patchOf(grant, grantOf(typed, 'UTC', grant)!), {});
  assert.deepEqual(patchOf(grant, grantOf({ ...typed, roles: ['auditor', 'reader'], tenants: 'a，b' }, 'UTC', grant)!), {}, 'sets have no order');
  assert.deepEqual(patchOf(grant, grantOf({ ...typed, rows: '', masks: [], from: ' ' }, 'UTC', grant)!), { rows: null, masks: null, from: null });
  assert.deepEqual(patchOf(grant, grantOf({ ...typed, tenants: '*', to: '2026-06-01 08:00' }, 'Asia/Shanghai', grant)!), { tenants: ['*'], to: '2026-06-01T00:00:00.000Z' });
  assert.equal(grantOf({ ...typed, to: 'some day' }, 'UTC', grant), null);
  assert.equal(grantOf({ ...typed, rows: '{' }, 'UTC', grant), null);
  assert.ok(Number.isNaN(momentOf('some day', 'UTC')));
  assert.equal(momentOf('', 'UTC'), null);
});

test('what a partner, a certificate or a limit is set to survives being edited, and is taken away by null', () => {
  const grant: Grant = {
    roles: ['reader'], tenants: [], partner: 'p1', manager: 'm1', distributor: true, authoritative: ['b', 'a'], certificates: ['cn:x', 'dns:y'], limits: { requests: 5, rows_out: 2_000 },
  };
  const typed = typedOf(grant);
  assert.deepEqual(grantOf(typed, 'UTC', grant), grant);
  assert.deepEqual(patchOf(grant, grantOf({ ...typed, authoritative: 'a, b', certificates: ' dns:y\ncn:x\n' }, 'UTC', grant)!), {}, 'sets have no order');
  const none = { ...typed, partner: ' ', manager: '', distributor: false, authoritative: '', certificates: '', limits: { requests: '', questions: '', bytes_in: '', rows_out: '' } };
  assert.deepEqual(patchOf(grant, grantOf(none, 'UTC', grant)!), { partner: null, manager: null, distributor: null, authoritative: null, certificates: null, limits: null });
  // Limits are one setting: those that stay are sent with the one that changes.
  assert.deepEqual(patchOf(grant, grantOf({ ...typed, limits: { ...typed.limits, requests: '7' } }, 'UTC', grant)!), { limits: { requests: 7, rows_out: 2_000 } });
  for (const wrong of ['0', '-1', '1.5', 'many', '1e3', '4294967296']) {
    assert.ok(Number.isNaN(limitOf(wrong)), wrong);
    assert.equal(grantOf({ ...typed, limits: { ...typed.limits, questions: wrong } }, 'UTC', grant), null, wrong);
  }
});

test('an error finds the setting that it names', () => {
  assert.equal(settingOf('masks.source_ip'), 'masks');
  assert.equal(settingOf('rows.source'), 'rows');
  assert.equal(settingOf('tenants[0]'), 'tenants');
  for (const name of ['partner', 'manager', 'distributor', 'authoritative', 'certificates', 'limits']) assert.equal(settingOf(name), name);
  assert.equal(settingOf('something'), null);
  assert.equal(settingOf(null), null);
});

test('why a sign-in failed is one of the words that the page has sentences for', () => {
  assert.equal(failureOf('#sign_in=denied'), 'denied');
  assert.equal(failureOf('#sign_in=Your account is locked: call 555'), 'failed');
  for (const other of ['', '#', '#main', '#token=x', '?sign_in=denied']) assert.equal(failureOf(other), null, other);
});
