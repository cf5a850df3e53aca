// A value that this browser remembers. What is stored may be of an older version or written by hand, so it is checked
// before it is believed; a browser that refuses storage (private mode) still works, it just forgets.

/** A remembered value: read and write `value`. */
export class Persisted<T> {
  readonly #key: string;
  #value: T = $state()!;

  constructor(key: string, initial: T, check: (stored: unknown) => stored is T) {
    this.#key = `annals.${key}`;
    this.#value = initial;
    try {
      const text = localStorage.getItem(this.#key);
      const stored: unknown = text === null ? null : JSON.parse(text);
      if (text !== null && check(stored)) this.#value = stored;
    } catch {
      // Nothing stored that could be read.
    }
  }

  get value(): T {
    return this.#value;
  }

  set value(next: T) {
    this.#value = next;
    try {
      localStorage.setItem(this.#key, JSON.stringify(next));
    } catch {
      // Not remembered; still in effect.
    }
  }
}

/** Forgets what is remembered under these names; what is shown stays until the page is loaded again. */
export function forget(...keys: string[]): void {
  try {
    for (const key of keys) localStorage.removeItem(`annals.${key}`);
  } catch {
    // Nothing is remembered.
  }
}

/** A check for one of a few texts. */
export function oneOf<const T extends string>(...known: T[]): (stored: unknown) => stored is T {
  return (stored): stored is T => typeof stored === 'string' && (known as string[]).includes(stored);
}

export const isBoolean = (stored: unknown): stored is boolean => typeof stored === 'boolean';
export const isText = (stored: unknown): stored is string => typeof stored === 'string' && stored.length < 200;
export const isTexts = (stored: unknown): stored is string[] => Array.isArray(stored) && stored.length < 100 && stored.every(isText);
