// Takes the pictures of the README from the real product: `node screenshots.mjs [FOLDER]`, web/screenshots by default.
//
// Each view in Chinese by light and in English by dark, 1440 x 900, as WebP of at most 150 KiB. The binary must have the
// screen, or ANNALS_WEB_DIST names a folder with it. What is seen are generated records and one quota's life, told in full.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { specialRecords } from "./corpus.mjs";
import { front } from "./front.mjs";
import { CHROMIUM, FLAGS } from "./harness.mjs";
import { ingest, ownStore, serve } from "./server.mjs";

const OUT = process.argv[2] ?? new URL("../../web/screenshots", import.meta.url).pathname;
const BYTES_MAX = 150 * 1024;
const LOOKS = [
  { name: "light", locale: "zh-CN", colorScheme: "light" },
  { name: "dark", locale: "en-US", colorScheme: "dark" },
];

const folder = ownStore("generated");
const life = specialRecords().find(([tenant]) => tenant === "life")[1];
ingest(folder, life, ["--tenant", "life"]);
const server = await serve(folder, 0, ["--backups", join(folder, "..", "backups")]);
const page = process.env.ANNALS_WEB_DIST ? await front(process.env.ANNALS_WEB_DIST, server) : { url: server.url, close() {} };
const api = async (path) => (await fetch(`${server.url}/api/v1/${path}`)).json();

const { tenants } = await api("tenants");
const tenant = tenants[0].tenant;
const { events } = await api(`events?tenant=${tenant}&source=ECS&level=warning&limit=1`);
const event = encodeURIComponent(events[0].trace_id);
await fetch(`${server.url}/api/v1/holds/case-7`, {
  method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify({ tenant: [tenant], operator: "zhao.jie", from: "2026-01-01T00:00:00Z", reason: "court order 7" }),
});
const [unbind] = (await api("events?tenant=life&event_name=unbindRecallCoupon&limit=1")).events;
await fetch(`${server.url}/api/v1/relationships`, {
  method: "POST", headers: { "content-type": "application/json" },
  body: JSON.stringify({ partner: "partner-east", customer: "cust-k", tenants: ["life"], from: new Date(Date.parse(unbind.time) - 60 * 86_400_000).toISOString(), to: unbind.time }),
});

/** The views: where, and what to do there before the picture is taken. */
const VIEWS = [
  { name: "events", path: `/?tenant=${tenant}&last=7d&source=ECS&source=IAM&source=PartnerCenter&read_only.not=true` },
  { name: "event", path: `/?tenant=${tenant}&last=7d&source=ECS&event=${event}` },
  { name: "dashboards", path: `/dashboards?tenant=*&last=30d` },
  { name: "quota", path: "/quota?tenant=life&id=Q-0817" },
  { name: "relation", path: "/relation?tenant=life&customer=cust-k" },
  { name: "store", path: `/store?tenant=${tenant}` },
];

/** PNG to WebP, by the browser itself. */
async function webp(context, png) {
  const tool = await context.newPage();
  await tool.goto(`${server.url}/livez`);
  for (const quality of [0.9, 0.8, 0.7, 0.55, 0.4]) {
    const base64 = await tool.evaluate(async ([base64, quality]) => {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
      const canvas = new OffscreenCanvas(image.width, image.height);
      canvas.getContext("2d").drawImage(image, 0, 0);
      const blob = await canvas.convertToBlob({ type: "image/webp", quality });
      const out = new Uint8Array(await blob.arrayBuffer());
      let text = "";
      for (let at = 0; at < out.length; at += 8192) text += String.fromCharCode(...out.subarray(at, at + 8192));
      return btoa(text);
    }, [png.toString("base64"), quality]);
    const made = Buffer.from(base64, "base64");
    if (made.length <= BYTES_MAX) return (await tool.close(), made);
  }
  throw new Error("a picture does not fit into 150 KiB");
}

const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
let failed = false;
try {
  rmSync(OUT, { recursive: true, force: true });
  mkdirSync(OUT, { recursive: true });
  for (const { name: look, locale, colorScheme } of LOOKS) {
    const context = await browser.newContext({ locale, colorScheme, timezoneId: "Asia/Shanghai", viewport: { width: 1440, height: 900 } });
    for (const { name, path } of VIEWS) {
      const tab = await context.newPage();
      await tab.goto(new URL(path, page.url).href);
      await tab.locator("main").first().waitFor();
      await tab.waitForFunction(() => document.querySelectorAll('[aria-busy="true"]').length === 0, null, { timeout: 30_000 }).catch(() => {});
      await tab.waitForTimeout(1_500);
      const made = await webp(context, await tab.screenshot());
      writeFileSync(join(OUT, `${name}-${look}.webp`), made);
      console.log(`${name}-${look}.webp ${made.length}`);
      await tab.close();
    }
    await context.close();
  }
} catch (error) {
  failed = true;
  console.error(error);
} finally {
  await browser.close();
  page.close();
  await server.kill();
}
process.exit(failed ? 1 : 0);
