// What a test of the screen gets: a page in a real browser, on a real server with data, that fails the test for whatever
// goes wrong unseen.
//
//     import { test, assert } from "./harness.mjs";
//     test("the list says how many there are", async (t) => {
//       await t.open("/?tenant=*&last=7d");
//       const { count } = await t.api("count?tenant=*&last=7d");
//       await t.page.getByText(count.toLocaleString("en")).waitFor();
//       await t.axe();
//     });
//
// A test fails when the page logs an error, throws, opens a dialog, breaks its content security policy or asks another
// host for anything. `t.allow(/pattern/)` names trouble that the test makes on purpose, such as a server that is gone.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";
import { front } from "./front.mjs";
import { init, ownStore, serve, store } from "./server.mjs";

export { assert };
export { attacks, ODD_BODY } from "./corpus.mjs";
export { ingest, ownStore, serve, store } from "./server.mjs";
export { test } from "./registry.mjs";

/** Debian's browser. */
export const CHROMIUM = process.env.ANNALS_CHROMIUM ?? "/usr/bin/chromium";
/** Without the flags on background networking it asks hosts of its vendor at every start. */
export const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const SHOTS = process.env.ANNALS_WEB_SHOTS ?? "";
/** A slow machine gets so many times as long: 1 says that this one is not. */
const PATIENCE = Number(process.env.ANNALS_WEB_PATIENCE ?? 1);
const ACTION_MS = 10_000 * PATIENCE;

let browser;
/** Servers by the data they serve, shared by the tests that change nothing. */
const shared = new Map();

async function startedBrowser() {
  browser ??= await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  return browser;
}

/** A server of its own, or that of all tests with this data. With ANNALS_WEB_DIST the page comes from that folder. */
async function served(data, own, { flags, principals }) {
  if (!own && shared.has(data)) return shared.get(data);
  const folder = own ? ownStore(data) : store(data);
  const token = own && principals ? init(folder) : null;
  const server = await serve(folder, 0, flags);
  const dist = process.env.ANNALS_WEB_DIST;
  const page = dist ? await front(dist, server) : { url: server.url, close() {} };
  const all = { server, page, token };
  if (!own) shared.set(data, all);
  return all;
}

/** What goes wrong on a page without a test asking. */
class Watch {
  found = [];
  allowed = [];

  note(what) {
    this.found.push(what);
  }

  async on(context, base) {
    await context.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) =>
        console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.sample}`));
    });
    const home = new URL(base).host;
    context.on("request", (request) => {
      const url = new URL(request.url());
      if (url.protocol !== "blob:" && url.host !== home) this.note(`asked another host: ${url}`);
    });
    context.on("page", (page) => {
      page.on("console", (message) => message.type() === "error" && this.note(`console: ${message.text()} ${message.location().url ?? ""}`));
      page.on("pageerror", (error) => this.note(`error: ${error.stack ?? error}`));
      page.on("crash", () => this.note("the page crashed"));
      page.on("dialog", (dialog) => {
        // A question before leaving is the page's right; anything else is not ours.
        if (dialog.type() !== "beforeunload") this.note(`dialog: ${dialog.message()}`);
        dialog.dismiss().catch(() => {});
      });
    });
  }

  trouble() {
    return this.found.filter((what) => !this.allowed.some((pattern) => pattern.test(what)));
  }
}

/** Runs one test; throws what is wrong. */
export async function runTest({ name, file, options, body }) {
  const { data = "generated", own = false, locale = "zh-CN", timezoneId = "Asia/Shanghai", colorScheme = "light" } = options;
  const { server, page: at, token } = await served(data === false ? "empty" : data, own, options);
  const context = await (await startedBrowser()).newContext({
    locale, timezoneId, colorScheme, viewport: options.viewport ?? { width: 1440, height: 900 }, acceptDownloads: true,
    permissions: ["clipboard-read", "clipboard-write"], ...options.context,
  });
  const watch = new Watch();
  await watch.on(context, at.url);
  const page = await context.newPage();
  page.setDefaultTimeout(ACTION_MS);
  const t = {
    page, context, server, token, url: at.url,
    /** Goes to a path of the page and waits until it shows something. */
    open: async (path, on = page) => {
      await on.goto(new URL(path, at.url).href);
      await on.locator("main").first().waitFor();
    },
    /** What the native API says, such as `t.api("count?tenant=*")`, to the administrator if there is one; a status other than 2xx throws. */
    api: async (path, init) => {
      const answer = await fetch(`${server.url}/api/v1/${path}`, { ...init, headers: { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...init?.headers } });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${answer.status} ${path}: ${text}`);
      return text === "" ? null : JSON.parse(text);
    },
    /** Trouble that the test makes on purpose. */
    allow: (...patterns) => watch.allowed.push(...patterns),
    /** Trouble that was met until now. */
    trouble: () => watch.trouble(),
    /** Fails unless the page, or a part of it, is accessible by the rules of WCAG 2.2 AA. */
    axe: async ({ within, without = [] } = {}) => {
      let builder = new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]);
      if (within) builder = builder.include(within);
      for (const part of without) builder = builder.exclude(part);
      const { violations } = await builder.analyze();
      const lines = violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id} (${rule.impact}): ${rule.help}\n    ${node.target}\n    ${node.html.slice(0, 200)}\n    ${node.failureSummary?.replaceAll("\n", "\n    ")}`));
      assert.equal(lines.length, 0, `${violations.length} rules of accessibility are broken:\n  ${lines.slice(0, 12).join("\n  ")}`);
    },
    /** A picture, where ANNALS_WEB_SHOTS says. */
    shot: async (as) => {
      if (SHOTS === "") return;
      mkdirSync(SHOTS, { recursive: true });
      await page.screenshot({ path: join(SHOTS, `${as}.png`) });
    },
  };
  const seconds = (options.seconds ?? 60) * PATIENCE;
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`not done after ${seconds} s`)), seconds * 1_000)));
  try {
    await Promise.race([body(t), late]);
    assert.deepEqual(watch.trouble(), [], "the page went wrong");
  } catch (error) {
    await t.shot(`failed-${file}-${name}`.replaceAll(/[^\p{L}\p{N}-]+/gu, "-").slice(0, 100)).catch(() => {});
    const seen = watch.trouble();
    if (seen.length > 0 && !String(error.message).includes("went wrong")) error.message += `\nthe page also said:\n  ${seen.join("\n  ")}`;
    throw error;
  } finally {
    clearTimeout(timer);
    await context.close().catch(() => {});
    if (own) (at.close(), await server.kill());
  }
}

/** Ends what is shared. */
export async function finish() {
  await browser?.close().catch(() => {});
  for (const { server, page } of shared.values()) (page.close(), await server.kill());
}
