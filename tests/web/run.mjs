// Runs the tests of the screen: `node run.mjs [PART OF A FILE'S OR A TEST'S NAME…]`.
//
// ANNALS_BIN is the binary (target/debug/annals by default), ANNALS_WEB_DIST a folder with a page to test instead of the one
// in the binary, ANNALS_WEB_SHOTS where pictures go (of failures too), ANNALS_WEB_EVENTS how many events are
// generated, ANNALS_WEB_PATIENCE how many times as long everything may take.

import { readdirSync } from "node:fs";
import { finish, runTest } from "./harness.mjs";
import { from, tests } from "./registry.mjs";

const NOT_TESTS = ["access-stub.mjs", "corpus.mjs", "front.mjs", "harness.mjs", "people.mjs", "registry.mjs", "run.mjs", "server.mjs", "screenshots.mjs"];
const wanted = process.argv.slice(2);
/** What hangs must fail, not wait for whoever runs this to lose patience. */
const MINUTES_MAX = 40;

for (const file of readdirSync(new URL(".", import.meta.url)).sort()) {
  if (!file.endsWith(".mjs") || NOT_TESTS.includes(file)) continue;
  from(file);
  await import(`./${file}`);
}
const chosen = tests.filter(({ file, name }) => wanted.length === 0 || wanted.some((part) => file.includes(part) || name.includes(part)));
let failed = 0;
setTimeout(() => (console.log(`not done after ${MINUTES_MAX} minutes`), process.exit(1)), MINUTES_MAX * 60_000).unref();
for (const test of chosen) {
  const started = performance.now();
  const said = await runTest(test).then(() => null, (error) => error);
  const seconds = ((performance.now() - started) / 1_000).toFixed(1);
  console.log(`${said ? "FAILED" : "ok"} ${test.file}: ${test.name} (${seconds} s)`);
  if (said) {
    failed += 1;
    console.log(String(said.stack ?? said).replaceAll(/^/gm, "    "));
  }
}
await finish();
console.log(`${chosen.length - failed} of ${chosen.length} passed`);
process.exit(failed > 0 || chosen.length === 0 ? 1 : 0);
