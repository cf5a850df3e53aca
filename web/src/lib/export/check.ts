// Whether what came is whole: rows are counted while they come, and each form has its own sign of a proper end. HTTP's
// trailers say it too, but a browser does not show them to a page.

/** Counts the rows of a file while its bytes come. */
export interface Counter {
  rows: number | null;
  add(piece: Uint8Array): void;
  /** Whether the file ended as it should; called once. */
  whole(): boolean;
}

const NEWLINE = 10;
const QUOTE = 34;

/** Rows of RFC 4180: a line end within quotes belongs to the cell. The header is no row. */
export function csvCounter(): Counter {
  let quoted = false;
  let records = 0;
  let last = NEWLINE;
  return {
    get rows() { return Math.max(0, records - 1); },
    add(piece) {
      for (const byte of piece) {
        if (byte === QUOTE) quoted = !quoted;
        else if (byte === NEWLINE && !quoted) records += 1;
      }
      last = piece.at(-1) ?? last;
    },
    whole: () => !quoted && last === NEWLINE && records > 0,
  };
}

/** Lines, the last of which is the closing record that says how many there were. */
export function ndjsonCounter(): Counter {
  let lines = 0;
  let tail = new Uint8Array(0);
  return {
    get rows() { return lines; },
    add(piece) {
      for (const byte of piece) if (byte === NEWLINE) lines += 1;
      const joined = new Uint8Array(tail.length + piece.length);
      joined.set(tail);
      joined.set(piece, tail.length);
      tail = joined.slice(-200);
    },
    whole() {
      const closing = new TextDecoder().decode(tail).trimEnd().split('\n').at(-1) ?? '';
      const said = /^\{"annals_export":\{"complete":true,"rows":(\d+)\}\}$/.exec(closing);
      lines -= 1;
      return said !== null && Number(said[1]) === lines;
    },
  };
}

/** Parquet says at its end how many rows it has; before that nobody can count them. */
export function parquetCounter(): Counter {
  const pieces: Uint8Array[] = [];
  const KEPT = 4 << 20;
  const counter = {
    rows: null as number | null,
    add(piece: Uint8Array) {
      pieces.push(piece);
      let kept = pieces.reduce((sum, one) => sum + one.length, 0);
      while (pieces.length > 1 && kept - pieces[0]!.length >= KEPT) kept -= pieces.shift()!.length;
    },
    whole(): boolean {
      const tail = new Uint8Array(pieces.reduce((sum, one) => sum + one.length, 0));
      pieces.reduce((at, one) => (tail.set(one, at), at + one.length), 0);
      counter.rows = parquetRows(tail);
      return counter.rows !== null;
    },
  };
  return counter;
}

/** The number of rows in a Parquet footer (Thrift's compact protocol: version, schema, num_rows); null if there is none. */
export function parquetRows(tail: Uint8Array): number | null {
  const end = tail.length;
  if (end < 12 || new TextDecoder().decode(tail.subarray(end - 4)) !== 'PAR1') return null;
  const length = new DataView(tail.buffer, tail.byteOffset + end - 8, 4).getUint32(0, true);
  if (length > end - 8) return null;
  const reader = new Compact(tail.subarray(end - 8 - length, end - 8));
  try {
    return reader.field(3);
  } catch {
    return null;
  }
}

/** As much of Thrift's compact protocol as it takes to find one whole number in a struct. */
class Compact {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new RangeError('the footer ends early');
    this.#at += 1;
    return byte;
  }

  #number(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }

  /** The zigzag number of a field of the struct that begins here. */
  field(wanted: number): number | null {
    for (let id = 0; ;) {
      const head = this.#byte();
      if (head === 0) return null;
      id = head >> 4 === 0 ? this.#number() / 2 : id + (head >> 4);
      if (id === wanted) {
        const value = this.#number();
        return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      }
      this.#skip(head & 15);
    }
  }

  #skip(type: number): void {
    if (type === 1 || type === 2) return;
    if (type === 3) this.#at += 1;
    else if (type >= 4 && type <= 6) this.#number();
    else if (type === 7) this.#at += 8;
    else if (type === 8) { const length = this.#number(); this.#at += length; }
    else if (type === 9 || type === 10) this.#skipList();
    else if (type === 12) this.#skipStruct();
    else throw new RangeError('a type that no footer has');
  }

  #skipList(): void {
    const head = this.#byte();
    const count = head >> 4 === 15 ? this.#number() : head >> 4;
    for (let place = 0; place < count; place += 1) {
      if ((head & 15) <= 2) this.#at += 1;
      else this.#skip(head & 15);
    }
  }

  #skipStruct(): void {
    for (let head = this.#byte(); head !== 0; head = this.#byte()) {
      if (head >> 4 === 0) this.#number();
      this.#skip(head & 15);
    }
  }
}
