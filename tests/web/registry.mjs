// The tests that files have named, and what they may ask for.

/** @typedef {{ name: string, file: string, options: Options, body: Function }} Test */
/**
 * @typedef {object} Options
 * @property {string|false} [data]   the store: "generated" (default), "special" (corpus.mjs), "empty"
 * @property {boolean} [own]         a server and a copy of the data for this test alone: it may change and kill it
 * @property {boolean} [principals]  with `own`: the store has an administrator and asks who calls; `t.token` is its token
 * @property {string[]} [flags]    more flags of `annals serve`, with `own`
 * @property {string} [locale]       of the browser, "zh-CN" (default) or "en-US"
 * @property {string} [timezoneId]   of the browser, "Asia/Shanghai" by default
 * @property {"light"|"dark"} [colorScheme]
 * @property {{width: number, height: number}} [viewport]  1440 x 900 by default
 * @property {number} [seconds]      how long it may take, 60 by default
 * @property {object} [context]      more of Playwright's options of a context
 */

/** @type {Test[]} */
export const tests = [];
let file = "";

/** Tests that are named from now on are of this file. */
export function from(name) {
  file = name;
}

/**
 * Names a test: `test("what must hold", async (t) => …)`, or with options before the function.
 * What `t` is, harness.mjs says.
 * @param {string} name
 * @param {Options|Function} options
 * @param {Function} [body]
 */
export function test(name, options, body) {
  if (typeof options === "function") [options, body] = [{}, options];
  tests.push({ name, file, options, body });
}
