// Counting what comes, however it is cut into pieces; what is cut off is no file.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csvCounter, ndjsonCounter, parquetRows } from './check.ts';

const pieces = (text: string, size: number): Uint8Array[] => {
  const bytes = new TextEncoder().encode(text);
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
};

test('rows of CSV, with line ends and quotes in cells', () => {
  const text = 'a,b\r\n1,"x\r\ny"\r\n2,"say ""hi""\n"\r\n';
  for (let size = 1; size < 40; size += 1) {
    const counter = csvCounter();
    for (const piece of pieces(text, size)) counter.add(piece);
    assert.equal(counter.rows, 2);
    assert.ok(counter.whole());
  }
  const cut = csvCounter();
  for (const piece of pieces(text.slice(0, -12), 7)) cut.add(piece);
  assert.ok(!cut.whole());
});

test('NDJSON with its closing record, and without', () => {
  const closing = '{"annals_export":{"complete":true,"rows":2}}\n';
  for (const size of [1, 3, 1000]) {
    const counter = ndjsonCounter();
    for (const piece of pieces(`{"a":1}\n{"a":2}\n${closing}`, size)) counter.add(piece);
    assert.ok(counter.whole());
    assert.equal(counter.rows, 2);
  }
  for (const text of ['{"a":1}\n{"a":2}\n', `{"a":1}\n${closing}`, '']) {
    const counter = ndjsonCounter();
    for (const piece of pieces(text, 5)) counter.add(piece);
    assert.ok(!counter.whole(), text);
  }
});

test('what is no Parquet has no rows', () => {
  assert.equal(parquetRows(new Uint8Array(40)), null);
  assert.equal(parquetRows(new TextEncoder().encode('PAR1xxxxxxxx\xff\xff\xff\x7fPAR1')), null);
  // version = 1, schema = [] of structs, num_rows = 3
  const footer = [0x15, 2, 0x19, 0x0c, 0x16, 6, 0];
  assert.equal(parquetRows(new Uint8Array([...footer, footer.length, 0, 0, 0, ...new TextEncoder().encode('PAR1')])), 3);
});
