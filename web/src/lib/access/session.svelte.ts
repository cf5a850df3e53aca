// Who is at the page. The session itself is a cookie that scripts cannot read; what is known of it is what the server
// answers. Signing in is a state of whatever page one is at, so there is no address to go back to that a link could forge.
import { announce } from '../announce.svelte.ts';
import { away } from '../api/away.svelte.ts';
import { onSignedOut } from '../api/client.ts';
import { asApiError } from '../api/errors.ts';
import { forget } from '../persisted.svelte.ts';
import * as calls from './calls.ts';
import { takeFailure, takeToken, type Failure } from './fragment.ts';
import { rightsOf } from './rights.ts';
import type { Me } from './types.ts';
import { accessWords } from './words.ts';

/** At most this often a page that is looked at again asks who it is. */
const CHECK_MS = 5_000;
/** What the entry of the history says after signing out. */
const LEFT = 'annals.signed-out';

class Session {
  /** Who asks; null while that is not known. */
  me: Me | null = $state.raw(null);
  /**
   * `asking` at first; `out`: the server wants to know who asks; `in`: it knows, or does not care; `unknown`: it did not
   * say, so the page is shown and its own questions tell what is wrong.
   */
  state: 'asking' | 'out' | 'in' | 'unknown' = $state('asking');
  /** The session ended while the page was in use. */
  ended = $state(false);
  /** Whether signing in again is asked for, over the page. */
  open = $state(false);
  /** Why the token of the address did not sign in. */
  trouble: string | null = $state.raw(null);
  /** Why signing in at the provider failed. */
  failure: Failure | null = $state.raw(null);
  /** The token of an address that was opened while somebody is signed in already. */
  offered: string | null = $state.raw(null);
  readonly rights = $derived(rightsOf(this.me));
  #waiting: ((again: boolean) => void)[] = [];
  #checked = 0;

  /** Asks who one is, and signs in with the token of the address if it has one. Once, when the page begins. */
  async begin(): Promise<void> {
    const token = takeToken();
    this.failure = takeFailure();
    onSignedOut((changes) => this.#signedOut(changes));
    window.addEventListener('hashchange', () => void this.#take(takeToken()));
    document.addEventListener('visibilitychange', () => { if (!document.hidden) void this.#check(); });
    await this.#look();
    await this.#take(token);
  }

  /** Signs in; throws what the server says against it. */
  async signIn(token: string): Promise<void> {
    this.#arrive(await calls.login(token.trim()));
    announce(accessWords().signedInAs(this.me?.name ?? ''));
  }

  /** Signs out and begins anew: nothing of what was loaded stays in the page. */
  async signOut(): Promise<void> {
    try {
      await calls.logout();
    } catch (cause) {
      if (asApiError(cause).status !== 401) throw cause;
    }
    this.#startAnew('/', LEFT);
  }

  /** Signs in as who the offered token is of. */
  async takeOffer(): Promise<void> {
    const token = this.offered;
    if (token === null) return;
    await this.signIn(token);
    this.offered = null;
  }

  /** The page stays as it is; whatever waits is told that it was refused. */
  later(): void {
    this.open = false;
    for (const tell of this.#waiting.splice(0)) tell(false);
  }

  /** Asks again who one is: for when what one may see was changed. */
  async again(): Promise<void> {
    await this.#look();
  }

  /** Whether one just signed out here. */
  get left(): boolean {
    return history.state === LEFT;
  }

  async #look(): Promise<void> {
    try {
      this.#arrive(await calls.me());
    } catch (cause) {
      if (asApiError(cause).status !== 401) {
        if (this.state === 'asking') this.state = 'unknown';
      } else if (this.state === 'in') void this.#signedOut(false);
      else this.state = 'out';
    }
  }

  async #take(token: string | null): Promise<void> {
    if (token === null || this.me?.credentials === false) return;
    if (this.state === 'in' && !this.ended) {
      this.offered = token;
      return;
    }
    try {
      await this.signIn(token);
    } catch (cause) {
      this.trouble = asApiError(cause).message;
    }
  }

  #arrive(me: Me): void {
    if (this.me !== null && this.me.name !== me.name) {
      // Somebody else: what the page shows and what was typed are not theirs.
      this.#startAnew(location.pathname + location.search, null);
      return;
    }
    this.me = me;
    this.state = 'in';
    this.trouble = this.failure = null;
    if (!this.ended) return;
    this.ended = this.open = false;
    for (const tell of this.#waiting.splice(0)) tell(true);
    // What was refused in the meantime is asked again.
    away.again();
  }

  /** The server does not know any more who asks: answers whether one has signed in again. */
  #signedOut(changes: boolean): Promise<boolean> {
    if (this.state !== 'in') {
      this.state = 'out';
      return Promise.resolve(false);
    }
    // Asked once; whoever put it off signs in by the banner, or by trying to change something again.
    if (!this.ended || changes) this.open = true;
    this.ended = true;
    if (!this.open) return Promise.resolve(false);
    return new Promise((tell) => this.#waiting.push(tell));
  }

  /** Another tab may have signed out, or in, also as somebody else. */
  async #check(): Promise<void> {
    if (this.state !== 'in' || this.me?.credentials === false || Date.now() - this.#checked < CHECK_MS) return;
    this.#checked = Date.now();
    await this.#look();
  }

  #startAnew(address: string, mark: string | null): void {
    this.state = 'asking';
    // Whose events were looked at last is nobody else's business.
    forget('tenant', 'owner');
    history.replaceState(mark, '', address);
    location.reload();
  }
}

export const session = new Session();
