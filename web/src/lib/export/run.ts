// Streams an export into a file of the browser's, and watches it: rows, bytes, time left, whether it is whole.
import { questionParams, type Question } from '../api/calls.ts';
import { send } from '../api/client.ts';
import { ApiError, isAbort } from '../api/errors.ts';
import { plain } from '../safe/text.ts';
import { csvCounter, ndjsonCounter, parquetCounter, type Counter } from './check.ts';

export type Form = 'csv' | 'ndjson' | 'parquet';

export interface ExportOptions {
  form: Form;
  columns: readonly string[];
  labels: 'name' | 'en' | 'zh';
  zone: string;
  formulas: 'safe' | 'raw';
  /** Whether ids that a spreadsheet would take for numbers are written as texts. */
  digits: 'plain' | 'text';
  bom: boolean;
  order: 'desc' | 'asc';
}

export interface Progress {
  rows: number | null;
  bytes: number;
  /** Milliseconds since it began. */
  elapsed: number;
}

export interface Exported {
  blob: Blob;
  rows: number;
  bytes: number;
}

/** The parameters of an export. */
export function exportParams(question: Question, options: ExportOptions): [string, string][] {
  const { form, columns, labels, zone, formulas, digits, bom, order } = options;
  const params: [string, string][] = [...questionParams(question), ['columns', columns.join(',')], ['order', order]];
  if (form !== 'parquet') params.push(['time_zone', zone]);
  if (form === 'csv') params.push(['labels', labels], ['formulas', formulas], ['digits', digits], ['bom', String(bom)]);
  if (form === 'ndjson') params.push(['closing', 'true']);
  return params;
}

/** Pieces are put together now and then, so that a large file does not lie in the page's own memory. */
const TOGETHER_BYTES = 16 << 20;

function counterOf(form: Form): Counter {
  return form === 'csv' ? csvCounter() : form === 'ndjson' ? ndjsonCounter() : parquetCounter();
}

/**
 * Runs an export. What is not whole is an error and no file: the connection broke, the end is missing, or the file's own
 * count is not what came.
 */
export async function runExport(question: Question, options: ExportOptions, progress: (now: Progress) => void, signal: AbortSignal): Promise<Exported> {
  const response = await send(`/api/v1/events.${options.form}`, exportParams(question, options), { signal, headers: { Accept: '*/*' } });
  const counter = counterOf(options.form);
  const began = performance.now();
  const type = response.headers.get('Content-Type') ?? 'application/octet-stream';
  const parts: Blob[] = [];
  let waiting: Uint8Array<ArrayBuffer>[] = [];
  let held = 0;
  let bytes = 0;
  try {
    const reader = (response.body as ReadableStream<Uint8Array<ArrayBuffer>>).getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      counter.add(next.value);
      waiting.push(next.value);
      bytes += next.value.length;
      held += next.value.length;
      if (held >= TOGETHER_BYTES) {
        parts.push(new Blob(waiting));
        waiting = [];
        held = 0;
      }
      progress({ rows: counter.rows, bytes, elapsed: performance.now() - began });
    }
  } catch (cause) {
    if (isAbort(cause)) throw cause;
    throw new ApiError('cut', cause instanceof Error ? cause.message : String(cause), { requestId: response.headers.get('X-Request-Id') });
  }
  if (!counter.whole() || counter.rows === null) throw new ApiError('cut', 'the file has no proper end', { requestId: response.headers.get('X-Request-Id') });
  return { blob: new Blob([...parts, ...waiting], { type }), rows: counter.rows, bytes };
}

/** A name for the file: whose, when it was made, in letters that every system takes. */
export function fileName(tenant: string, form: Form, now: number): string {
  const whose = tenant === '*' ? 'all' : plain(tenant).replace(/[^A-Za-z0-9._-]+/g, '-').slice(0, 60);
  return `annals-${whose}-${new Date(now).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z.${form}`;
}

/** Hands a file to the reader. */
export function download(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

const HASHED_MAX = 512 << 20;

/** The SHA-256 of a file, by which its receiver can check it; null where the browser cannot or it is too large. */
export async function digest(blob: Blob): Promise<string | null> {
  if (blob.size > HASHED_MAX || !globalThis.crypto?.subtle) return null;
  const hash = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
  return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
