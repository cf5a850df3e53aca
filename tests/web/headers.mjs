// The page's answers: its policy, what may be kept, and that the stand-in server of this folder says the same.

import { assert, test } from "./harness.mjs";
import { HEADERS, ROUTES } from "./front.mjs";

const ask = (url, path, headers = {}) => fetch(new URL(path, url), { headers: { accept: "text/html", ...headers } });

test("every path of the page has the policy, and the stand-in has the same", { data: "empty" }, async (t) => {
  for (const route of ROUTES) {
    const answer = await ask(t.server.url, route);
    assert.equal(answer.status, 200);
    for (const [name, value] of Object.entries(HEADERS)) assert.equal(answer.headers.get(name), value, `${route}: ${name}`);
  }
});

test("a browser gets the page at a mistyped path, and whatever the query is; programs get a problem", { data: "empty" }, async (t) => {
  for (const [path, status] of [["/quotas", 404], ["/no/such/view", 404], ["/dashboards?%E0%A4%A=1", 200], ["/?operator=%ff", 200]]) {
    const answer = await ask(t.server.url, path);
    assert.equal(answer.status, status, path);
    assert.match(await answer.text(), /<script/, path);
    for (const [name, value] of Object.entries(HEADERS)) assert.equal(answer.headers.get(name), value, `${path}: ${name}`);
    const program = await ask(t.server.url, path, { accept: "*/*" });
    assert.ok(path === "/?operator=%ff" || path.startsWith("/dash") ? program.status === 400 : program.status === 404, path);
    assert.match(program.headers.get("content-type"), /problem\+json/, path);
  }
  for (const path of ["/api/v1/nothing", "/assets/none.js", "/es/x/_nothing", "/v3/nothing"]) {
    const answer = await ask(t.server.url, path);
    assert.ok(answer.status >= 400 && /json/.test(answer.headers.get("content-type")), path);
  }
});

test("assets are named by what is in them and kept for ever; the page is asked for anew", { data: "empty" }, async (t) => {
  const page = await ask(t.server.url, "/");
  assert.equal(page.headers.get("cache-control"), "no-cache");
  assert.equal((await ask(t.server.url, "/", { "if-none-match": page.headers.get("etag") })).status, 304);
  const assets = [...(await page.text()).matchAll(/\/assets\/[^"']+/g)].map(([path]) => path);
  assert.ok(assets.length >= 2, "a script and a style sheet");
  for (const path of assets) {
    const asset = await ask(t.server.url, path);
    assert.match(asset.headers.get("cache-control"), /immutable/);
    assert.equal(asset.headers.get("content-encoding"), "gzip");
    assert.equal(asset.headers.get("x-content-type-options"), "nosniff");
  }
});

test("the script is small and has nothing that runs texts", { data: "empty" }, async (t) => {
  const { gzipSync } = await import("node:zlib");
  const seen = new Set();
  const scripts = [];
  const follow = async (path) => {
    if (seen.has(path)) return;
    seen.add(path);
    const text = await (await ask(t.url, path)).text();
    if (path.endsWith(".js")) scripts.push([path, text]);
    for (const [, next] of text.matchAll(/["'`]\.?\/?((?:assets\/)?[\w.-]+\.(?:js|css))["'`]/g)) await follow(next.startsWith("assets/") ? `/${next}` : `/assets/${next}`);
  };
  const page = await (await ask(t.url, "/")).text();
  for (const [path] of page.matchAll(/\/assets\/[\w.-]+/g)) await follow(path);
  const packed = scripts.reduce((sum, [, text]) => sum + gzipSync(text).length, 0);
  console.log(`    scripts: ${scripts.length}, ${packed} bytes in gzip`);
  assert.ok(scripts.length > 0 && packed < 250 * 1024, `${packed} bytes of script in gzip`);
  for (const [path, text] of scripts) {
    for (const word of [/\beval\(/, /new Function\(/, /\.insertAdjacentHTML\(/, /document\.write\(/, /srcdoc/, /["'`]data:/, /new Worker\(/, /https?:\/\/(?!www\.w3\.org\/|svelte\.dev\/)/]) {
      const found = word.exec(text);
      assert.ok(!found, `${path}: ${found && text.slice(Math.max(0, found.index - 60), found.index + 60)}`);
    }
  }
});
