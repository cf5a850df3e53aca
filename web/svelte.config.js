// How Svelte compiles: runes only, and DOM nodes built one by one. `fragments: 'tree'` keeps innerHTML (and with it a
// Trusted Types policy) out of the bundle, so the server can send `trusted-types 'none'`.
import { vitePreprocess } from '@sveltejs/vite-plugin-svelte';

export default {
  preprocess: vitePreprocess(),
  compilerOptions: { runes: true, fragments: 'tree' },
};
