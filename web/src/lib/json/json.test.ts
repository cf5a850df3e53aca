// Records keep every byte: big numbers, repeated keys, order, odd escapes; what is no JSON says where.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differences, leaves } from './leaves.ts';
import { child, embedded, keyOf, rawOf, tokenize, unquote, valueOf } from './tokens.ts';

const HARD = '{"10":9007199254740993,"2":1e400,"z":-0,"m":1.10,"a":1,"a":2,"__proto__":{"x":[]},"s":"\\ud800\\u0000\\n","e":{},"t":[true,null,[[]]],"é":"\u202e"}';

test('values are stretches of the text', () => {
  const document = tokenize(HARD);
  assert.equal(document.fault, null);
  const root = document.root!;
  assert.deepEqual(root.children.map((node) => keyOf(document, node)), ['10', '2', 'z', 'm', 'a', 'a', '__proto__', 's', 'e', 't', 'é']);
  assert.deepEqual(root.children.slice(0, 6).map((node) => rawOf(document, node)), ['9007199254740993', '1e400', '-0', '1.10', '1', '2']);
  assert.equal(valueOf(document, child(document, root, 's')!), '\ud800\u0000\n');
  assert.equal(rawOf(document, root), HARD);
  assert.equal(unquote('"\\q"'), '\\q');
});

test('any JSON is covered by its nodes', () => {
  const texts = ['0', '"x"', '[]', '{}', ' [1 , 2] ', '{"a":{"b":[{"c":"}]"}]}}', '[""," "]', `${'['.repeat(50_000)}${']'.repeat(50_000)}`];
  for (const text of texts) {
    const document = tokenize(text);
    assert.equal(document.fault, null, text.slice(0, 40));
    assert.equal(rawOf(document, document.root!), text.trim());
  }
});

test('what is no JSON says where it stops', () => {
  const faults: [string, number][] = [['', 0], ['{', 1], ['{"a"', 4], ['{"a":', 5], ['[1,]', 3], ['[1 2]', 3], ['{"a":1}x', 7], ['{a:1}', 1], ['"open', 0], ['[tru]', 1], ['plain text', 0]];
  for (const [text, at] of faults) assert.equal(tokenize(text).fault, at, text);
});

test('JSON within strings is opened, other texts are not', () => {
  const document = tokenize('{"a":"{\\"x\\":1.10}","b":"[not]","c":"{}","d":"\\n [1]"}');
  const inner = embedded(document, document.root!.children[0]!)!;
  assert.equal(rawOf(inner, inner.root!), '{"x":1.10}');
  assert.equal(embedded(document, document.root!.children[1]!), null);
  assert.equal(embedded(document, document.root!.children[2]!), null);
  assert.ok(embedded(document, document.root!.children[3]!));
});

test('leaves and differences', () => {
  const before = tokenize('{"a":1,"b":{"c":"x","d":[1,2]},"gone":true,"k":1,"k":2}');
  const after = tokenize('{"a":1.0,"b":{"c":"x","d":[1,3,4]},"new":null,"k":1,"k":3}');
  assert.deepEqual(leaves(before).map((leaf) => leaf.path), ['a', 'b.c', 'b.d[0]', 'b.d[1]', 'gone', 'k', 'k']);
  assert.deepEqual(differences(before, after), {
    same: 3,
    changed: [
      { path: 'a', before: '1', after: '1.0' }, { path: 'b.d[1]', before: '2', after: '3' }, { path: 'b.d[2]', before: null, after: '4' },
      { path: 'new', before: null, after: 'null' }, { path: 'k (2)', before: '2', after: '3' }, { path: 'gone', before: 'true', after: null },
    ],
  });
});

test('a megabyte is quick', () => {
  const text = `[${Array.from({ length: 20_000 }, (_, at) => `{"id":${at},"name":"resource ${at}","tags":["a","b"]}`).join(',')}]`;
  const began = performance.now();
  assert.equal(tokenize(text).fault, null);
  assert.ok(performance.now() - began < 1_500, `${performance.now() - began} ms for ${text.length} characters`);
});
