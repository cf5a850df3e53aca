// What a screen reader is told: one polite region for the whole page, at most one message in five seconds, the newest.
const GAP_MS = 5_000;

class Announcer {
  text = $state('');
  #last = 0;
  #next: string | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Says something; what waits to be said is replaced by it. */
  say(text: string): void {
    this.#next = text;
    clearTimeout(this.#timer);
    const wait = Math.max(0, this.#last + GAP_MS - Date.now());
    this.#timer = setTimeout(() => {
      this.text = this.#next ?? '';
      this.#last = Date.now();
    }, wait);
  }
}

export const announcer = new Announcer();
export const announce = (text: string): void => announcer.say(text);
