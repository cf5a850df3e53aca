// Texts that hide something.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { looksAlike, pieces, plain } from './text.ts';

test('hidden characters are named, nothing else is touched', () => {
  assert.equal(pieces('deleteServer 企业 É ñ 한글 😀'), null);
  assert.equal(plain('pay\u202efdp.sh'), 'pay⟦U+202E⟧fdp.sh');
  assert.equal(plain('a\u200bb\u0000c\ud800d\u{e0041}e\u00a0f'), 'a⟦U+200B⟧b⟦U+0000⟧c⟦U+D800⟧d⟦U+E0041⟧e⟦U+00A0⟧f');
  assert.equal(pieces('a\nb\tc', true), null);
  assert.equal(plain('a\nb'), 'a⟦U+000A⟧b');
  for (const text of ['\u202e', 'x\u2066y\u2069', '\ud800', 'a\u{e0001}']) assert.equal(pieces(text)!.map((piece) => piece.text).join(''), text);
});

test('words that look like others are marked', () => {
  assert.ok(looksAlike('аdmin'));
  assert.ok(looksAlike('paypаl.com'));
  assert.ok(looksAlike('асе'));
  assert.ok(looksAlike('ａｄｍｉｎ'));
  for (const text of ['admin', '管理员 admin', 'Иванов', 'Ωmega-1'.slice(1), 'naïve', '張三']) assert.ok(!looksAlike(text), text);
});
