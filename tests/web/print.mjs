// On paper: what is loaded is there whole, nothing is cut or wider than the page, no page is empty, and the head says what was
// asked and when it was printed.

import { inflateSync } from "node:zlib";
import { test, assert } from "./harness.mjs";

/** A4, lying, within the margins that the page asks for: in CSS pixels. */
const WIDE = 1046;
const HIGH = 702;

/** Lays the page out as a printer does. */
async function paper(t) {
  // In this order: a browser tells that it prints before the page becomes as narrow as the paper.
  await t.page.emulateMedia({ media: "print" });
  await t.page.setViewportSize({ width: WIDE, height: HIGH });
  await t.page.locator("[data-print-head]:visible").waitFor();
  await t.page.waitForTimeout(200);
}

/** What is cut off, and what is wider than the page. */
const trouble = (t) => t.page.evaluate((wide) => {
  const found = [];
  for (const one of document.querySelectorAll("main *, dialog[data-keys] *")) {
    const box = one.getBoundingClientRect();
    if (box.width === 0 || box.height === 0 || one.closest("svg, .uplot")) continue;
    const name = `${one.tagName.toLowerCase()}.${String(one.className).replaceAll(/\s*svelte-\w+/g, "")}: ${one.textContent.trim().slice(0, 60)}`;
    if (box.right > wide + 1 || box.left < -1) found.push(`beside the page (${Math.round(box.left)} to ${Math.round(box.right)}): ${name}`);
    const style = getComputedStyle(one);
    if (style.overflowX !== "visible" && one.scrollWidth > one.clientWidth + 1) found.push(`cut at its side: ${name}`);
    if (style.overflowY !== "visible" && one.scrollHeight > one.clientHeight + 1) found.push(`cut at its foot: ${name}`);
    if (["fixed", "sticky"].includes(style.position)) found.push(`lies over the text: ${name}`);
  }
  if (document.documentElement.scrollWidth > wide) found.push(`the page scrolls sideways: ${document.documentElement.scrollWidth}`);
  return [...new Set(found)].slice(0, 20);
}, WIDE);

/** How much is drawn on each page of a PDF: the operators that show text. */
function pagesOf(pdf) {
  const text = pdf.toString("latin1");
  const objects = new Map([...text.matchAll(/(?:^|[\r\n])(\d+) 0 obj\b([\s\S]*?)endobj/g)].map(([, number, body]) => [number, body]));
  return [...objects.values()].filter((body) => /\/Type\s*\/Page\b/.test(body)).map((body) => {
    const stream = objects.get(/\/Contents\s+(\d+)/.exec(body)[1]);
    const at = stream.indexOf("stream") + 6;
    const raw = Buffer.from(stream.slice(at, stream.lastIndexOf("endstream")).replace(/^\r?\n/, ""), "latin1");
    return (inflateSync(raw).toString("latin1").match(/\b(Tj|TJ)\b/g) ?? []).length;
  });
}

/** Prints; every page has text on it, and there are about as many as the height of what is there says. */
async function print(t, as) {
  await paper(t);
  assert.deepEqual(await trouble(t), []);
  const height = await t.page.evaluate(() => Math.max(document.documentElement.scrollHeight, ...[...document.querySelectorAll("dialog[data-keys]")].map((one) => one.scrollHeight)));
  await t.shot(`print-${as}`);
  const pages = pagesOf(await t.page.pdf({ preferCSSPageSize: true, printBackground: false }));
  assert.ok(pages.every((shown) => shown > 0), `empty pages: ${pages}`);
  const expected = Math.ceil(height / HIGH);
  assert.ok(pages.length >= Math.floor(expected * 0.8) && pages.length <= expected * 1.5 + 1, `${pages.length} pages for a height of ${height}`);
  // No page but the last is nearly bare.
  assert.ok(pages.slice(0, -1).every((shown) => shown > 5), `bare pages: ${pages}`);
  return pages.length;
}

const head = (t) => t.page.locator("[data-print-head]:visible").innerText();
const visibleButtons = (t) => t.page.locator("main button:visible").evaluateAll((all) => all.map((one) => one.innerText || one.ariaLabel));

test("the ledger of a quota: as many rows as it says are shown", { data: "special", seconds: 120 }, async (t) => {
  await t.open("/quota?tenant=life&id=Q-0817");
  const ledger = t.page.getByRole("region", { name: /^台账/ });
  const rows = t.page.locator("section").filter({ has: t.page.getByRole("heading", { name: /^台账/ }) }).locator("tbody tr");
  await rows.first().waitFor();
  const shown = await rows.count();
  await paper(t);
  assert.equal(await rows.count(), shown);
  assert.match(await t.page.locator(".above").first().innerText(), new RegExp(`${shown} / ${shown}`));
  assert.ok(await ledger.first().isVisible());
  for (const row of await rows.all()) assert.ok(await row.isVisible());
  await print(t, "quota");
  assert.match(await head(t), /额度 · Q-0817[\s\S]*租户: life[\s\S]*时区: Asia\/Shanghai \(UTC\+08:00\) · 打印于 \d{4}-\d\d-\d\d/);
});

test("many rows of a ledger, all of them, over several pages", { own: true, data: "empty", seconds: 180 }, async (t) => {
  const lines = Array.from({ length: 120 }, (_, at) => JSON.stringify({ id: `i${at}`, operation_type: "1", quota_id: "Q-long", quota_type: 0, coupon_id: `C-${at}-${"x".repeat(60)}`, customer_id: `customer-${at}-with-a-long-name`, operation_amount: at + 0.5, operation_time: new Date(Date.now() - at * 3_600_000).toISOString(), result: "0" }));
  lines.push(JSON.stringify({ id: "g", operator: "officer-li", operation_type: "10", quota_id: "Q-long", parent_quota_id: "Q-0", indirect_partner_id: "ip-1", indirect_partner_name: "B", indirect_partner_account_name: "b", amount: 1_000_000, operation_time: new Date(Date.now() - 80 * 86_400_000).toISOString(), result: "0" }));
  await t.api("events?tenant=long", { method: "POST", body: `${lines.join("\n")}\n`, headers: { "Content-Type": "application/x-ndjson" } });
  await t.open("/quota?tenant=long&id=Q-long");
  await t.page.getByText("已显示 121 / 121", { exact: true }).waitFor();
  await paper(t);
  const rows = t.page.locator("section").filter({ has: t.page.getByRole("heading", { name: /^台账/ }) }).locator("tbody tr");
  assert.equal(await rows.count(), 121);
  // Coupons are shown fifty at a time; on paper there is nothing to press for more.
  const coupons = t.page.locator("section").filter({ has: t.page.getByRole("heading", { name: /^券/ }) }).first().locator("tbody tr");
  assert.ok((await coupons.count()) >= 120, `${await coupons.count()} coupons`);
  assert.ok((await print(t, "quota-long")) > 5);
});

test("the list: all rows that are loaded, and which of how many they are", { seconds: 180 }, async (t) => {
  await t.open("/?tenant=*&last=90d&source=ECS&~code=500&cols=time,level,event_name,source,resource_type,resource_name,operator,source_ip,trace_type,code,resource_id,trace_id");
  await t.page.locator(".total strong").waitFor({ timeout: 30_000 });
  await t.page.locator("[role=row][data-seq]").first().waitFor();
  await t.page.waitForTimeout(1_500);
  await paper(t);
  const { count } = await t.api("count?tenant=*&last=90d&source=ECS");
  const rows = await t.page.locator("[role=row][data-seq]").count();
  const note = await t.page.locator("[data-print-note]").innerText();
  const [, from, to, total] = /第 ([\d,]+)–([\d,]+) 条，共 ([\d,]+) 条/.exec(note).map((text) => Number(text.replaceAll(",", "")));
  assert.equal(to - from + 1, rows, note);
  assert.equal(total, count);
  assert.match(note, /导出/);
  assert.equal(await t.page.locator("[role=columnheader]").count(), 12, "no column is left out");
  assert.match(await head(t), /条件: 事件来源 = ECS/);
  assert.ok(!(await head(t)).includes("500"), "what is paused was not asked");
  assert.deepEqual(await visibleButtons(t), [await t.page.locator("button.sort").innerText()]);
  await print(t, "events");
  // Back on the screen everything is as it was.
  await t.page.emulateMedia({ media: "screen" });
  await t.page.setViewportSize({ width: 1440, height: 900 });
  await t.page.waitForFunction(() => document.querySelectorAll("[role=row][data-seq]").length < 70);
  assert.equal(await t.page.locator("[data-print-head], [data-print-note]").count(), 0);
});

test("a list of few rows is printed whole and says so; page by page says which page", { data: "special", seconds: 90 }, async (t) => {
  await t.open("/?tenant=life");
  await t.page.locator(".total strong").waitFor({ timeout: 30_000 });
  const { count } = await t.api("count?tenant=life");
  await paper(t);
  assert.equal(await t.page.locator("[data-print-note]").innerText(), `全部 ${count} 条已打印`);
  assert.equal(await t.page.locator("[role=row][data-seq]").count(), count);
  await print(t, "events-few");
  await t.page.emulateMedia({ media: "screen" });
  await t.open("/?tenant=ties&mode=pages");
  await t.page.locator("table tbody tr").nth(49).waitFor();
  await t.page.locator(".total strong").waitFor();
  await paper(t);
  assert.match(await t.page.locator("[data-print-note]").innerText(), /只打印当前一页，共 500 条/);
  await print(t, "events-page");
});

for (const width of [1440, 900]) {
  test(`an open event, from a window of ${width} px`, { data: "special", viewport: { width, height: 800 }, seconds: 120 }, async (t) => {
    const { events } = await t.api("events?tenant=odd&resource_name=200-fields&limit=1&fields=trace_id,seq");
    const part = width > 1100 ? "aside" : "dialog";
    for (const tab of ["fields", "record", "raw", "bodies"]) {
      await t.page.setViewportSize({ width, height: 800 });
      await t.page.emulateMedia({ media: "screen" });
      await t.open(`/?tenant=odd&event=${encodeURIComponent(events[0].trace_id)}&seq=${events[0].seq}&tab=${tab}`);
      await t.page.getByRole("tabpanel").locator("dl, [role=tree], pre").first().waitFor();
      await paper(t);
      assert.equal(await t.page.locator('[role=grid]:visible').count(), 0);
      assert.match(await t.page.locator("[data-print-note]:visible").innerText(), /只打印打开的事件/);
      const [top, title] = await Promise.all(["[data-print-note]:visible", "h2:visible"].map((one) => t.page.locator(one).first().boundingBox()));
      assert.ok(top.y + top.height <= title.y, "the title lies below the head");
      assert.match(await head(t), /打印于/);
      assert.ok(await t.page.locator(`main ${part}:visible`).getByRole("tabpanel").isVisible());
      await print(t, `event-${tab}-${width}`);
    }
  });
}

test("customers, dashboards and the store", { data: "special", seconds: 240 }, async (t) => {
  for (const [path, as] of [["/relation?tenant=life&customer=cust-k", "relation"], ["/relation?tenant=xss", "relations"], ["/quota?tenant=xss", "quotas"], ["/store?tenant=*", "store"]]) {
    await t.page.emulateMedia({ media: "screen" });
    await t.page.setViewportSize({ width: 1440, height: 900 });
    await t.open(path);
    await t.page.waitForFunction(() => document.querySelectorAll('main [aria-busy="true"]').length === 0 && document.querySelector("main table tbody tr") !== null);
    const rows = await t.page.locator("main tbody tr").count();
    await paper(t);
    assert.ok((await t.page.locator("main tbody tr").count()) >= rows);
    await print(t, as);
  }
});

test("dashboards, from a dark window, in the colours of paper", { colorScheme: "dark", seconds: 180 }, async (t) => {
  await t.open("/dashboards?tenant=*&last=30d");
  await t.page.waitForFunction(() => document.querySelectorAll('main [aria-busy="true"]').length === 0 && document.querySelectorAll("main section").length > 10, null, { timeout: 60_000 });
  await print(t, "dashboards");
  assert.match(await head(t), /时间范围: 最近 30 天/);
  const [color, background] = await t.page.evaluate(() => [getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]);
  assert.equal(background, "rgb(255, 255, 255)");
  assert.ok(color.match(/\d+/g).every((part) => Number(part) < 80), color);
});
