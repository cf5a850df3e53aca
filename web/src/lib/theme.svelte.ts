// Light, dark, or as the system says. The choice is an attribute of the document; colours follow in CSS. What is drawn on
// a canvas listens to `theme.drawn`, which changes whenever colours do.
import { untrack } from 'svelte';
import { Persisted, oneOf } from './persisted.svelte.ts';

export type ThemeChoice = 'system' | 'light' | 'dark';

class Theme {
  readonly #choice = new Persisted<ThemeChoice>('theme', 'system', oneOf('system', 'light', 'dark'));
  /** Counts changes of colours. */
  drawn = $state(0);

  constructor() {
    this.#apply();
    for (const query of ['(prefers-color-scheme: dark)', '(forced-colors: active)', '(prefers-contrast: more)']) {
      matchMedia(query).addEventListener('change', () => { this.drawn += 1; });
    }
  }

  /** Paper has colours of its own. */
  redraw(): void {
    this.drawn += 1;
  }

  get choice(): ThemeChoice {
    return this.#choice.value;
  }

  choose(choice: ThemeChoice): void {
    this.#choice.value = choice;
    this.#apply();
    this.drawn += 1;
  }

  #apply(): void {
    const { dataset } = document.documentElement;
    if (this.#choice.value === 'system') delete dataset['theme'];
    else dataset['theme'] = this.#choice.value;
  }
}

export const theme = new Theme();

const colors = new Map<string, string>();
let colorsOf = -1;

/** The colour that a name of app.css stands for here and now, as a canvas takes it. Looked up once a theme. */
export function colorOf(name: string): string {
  const drawn = untrack(() => theme.drawn);
  if (colorsOf !== drawn) {
    colors.clear();
    colorsOf = drawn;
  }
  let color = colors.get(name);
  if (color === undefined) colors.set(name, (color = lookUp(name)));
  return color;
}

function lookUp(name: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  probe.style.setProperty('forced-color-adjust', 'none');
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
