// The rows: none lost or doubled at page edges, none moved under the reader, focus never lost, far ends reached.

import { test, assert } from "./harness.mjs";

const ROW = "[role=row][data-seq]";
const loaded = (t) => t.page.waitForFunction(() => document.querySelector("[role=grid]") && !document.querySelector("[role=grid][aria-busy=true]") && document.querySelector("[role=row][data-seq]"), null, { timeout: 30_000 });
const top = (t) => t.page.locator(".scroller").evaluate((box) => box.scrollTop);
const scrollBy = (t, by) => t.page.locator(".scroller").evaluate((box, y) => { box.scrollTop += y; }, by);

/** Scrolls through the list in one direction and gathers the numbers of all rows met, in the order of their places. */
async function walk(t, step, ended) {
  const seen = [];
  const known = new Set();
  for (let round = 0; round < 400; round += 1) {
    const rows = await t.page.locator(ROW).evaluateAll((all) => all.map((row) => [Number(row.dataset.at), Number(row.dataset.seq)]));
    rows.sort((left, right) => (step > 0 ? left[0] - right[0] : right[0] - left[0]));
    for (const [, seq] of rows) if (!known.has(seq)) known.add(seq), seen.push(seq);
    if (await ended()) break;
    const before = await top(t);
    await scrollBy(t, step);
    await t.page.waitForTimeout(40);
    if (Math.abs((await top(t)) - before) < 1) await t.page.waitForTimeout(120);
  }
  return seen;
}

async function all(t, query) {
  const seqs = [];
  for (let cursor = ""; cursor !== null;) {
    const page = await t.api(`events?${query}&limit=1000&fields=seq${cursor ? `&cursor=${cursor}` : ""}`);
    seqs.push(...page.events.map((event) => event.seq));
    cursor = page.next_cursor;
  }
  return seqs;
}

test("500 events of one millisecond: down and up, every one once, in the store's order", { data: "special", seconds: 120 }, async (t) => {
  const wanted = await all(t, "tenant=ties");
  await t.open("/?tenant=ties");
  await loaded(t);
  const down = await walk(t, 600, async () => (await t.page.locator(".after").innerText()).includes("已到末尾") && (await t.page.locator(".scroller").evaluate((box) => box.scrollTop + box.clientHeight >= box.scrollHeight - 2)));
  assert.deepEqual(down, wanted);
  const up = await walk(t, -600, async () => (await top(t)) === 0);
  assert.deepEqual(up.toReversed(), wanted);
  // From the middle, both ways.
  await t.page.getByRole("button", { name: "最早" }).click();
  await loaded(t);
  await t.page.waitForTimeout(300);
  const last = await t.page.locator(ROW).evaluateAll((rows) => Math.max(...rows.map((row) => Number(row.dataset.at))) >= 0 && rows.map((row) => Number(row.dataset.seq)));
  assert.ok(last.includes(wanted.at(-1)));
});

test("a long list: few nodes, a short spacer, both ends, and no row lost in between", { seconds: 240 }, async (t) => {
  // From a fixed moment on: of a period that counts back from now, the oldest event may leave while this runs.
  const question = `tenant=*&from=${new Date(Date.now() - 30 * 86_400_000).toISOString()}`;
  const wanted = await all(t, question);
  await t.open(`/?${question}`);
  await loaded(t);
  const seen = [];
  const known = new Set();
  let nodes = 0;
  for (let round = 0; round < 160; round += 1) {
    const state = await t.page.evaluate((selector) => ({
      rows: [...document.querySelectorAll(selector)].map((row) => [Number(row.dataset.at), Number(row.dataset.seq)]).sort((left, right) => left[0] - right[0]),
      nodes: document.querySelectorAll("*").length, spacer: document.querySelector("[role=grid] .body").getBoundingClientRect().height,
    }), ROW);
    assert.ok(state.spacer < 100_000, `spacer ${state.spacer}`);
    nodes = Math.max(nodes, state.nodes);
    for (const [, seq] of state.rows) if (!known.has(seq)) known.add(seq), seen.push(seq);
    await scrollBy(t, 700);
    await t.page.waitForTimeout(25);
    await t.page.waitForFunction(() => !document.querySelector(".after")?.innerText.includes("正在"), null, { timeout: 10_000 });
  }
  assert.ok(seen.length > 2_000, `${seen.length} rows seen`);
  assert.deepEqual(seen, wanted.slice(0, seen.length));
  assert.ok(nodes < 2_500, `${nodes} nodes`);
  await t.page.locator("[role=grid]").focus();
  await t.page.keyboard.press("End");
  await t.page.waitForFunction((seq) => document.querySelector(`[data-seq="${seq}"]`), wanted.at(-1), { timeout: 20_000 });
  await t.page.keyboard.press("Home");
  await t.page.waitForFunction((seq) => document.querySelector(`[data-seq="${seq}"]`), wanted[0], { timeout: 20_000 });
  assert.equal(await t.page.locator(`[data-seq="${wanted[0]}"]`).getAttribute("aria-rowindex"), "2");
});

test("Home and End leave an address that shows the place they went to, by key and by button", { seconds: 120 }, async (t) => {
  const question = `tenant=*&from=${new Date(Date.now() - 30 * 86_400_000).toISOString()}`;
  const wanted = await all(t, question);
  const { events } = await t.api(`events?${question}&limit=1000&fields=time,seq`);
  const at = () => new URL(t.page.url()).searchParams.get("at");
  const seen = (seq) => t.page.locator(`[data-seq="${seq}"]`).waitFor({ timeout: 20_000 });
  await t.open(`/?${question}&at=${events[700].time}`);
  await loaded(t);
  await t.page.locator("[role=grid]").focus();
  await t.page.keyboard.press("Home");
  await seen(wanted[0]);
  await t.page.waitForFunction(() => !new URL(location.href).searchParams.has("at"));
  await t.page.reload();
  await loaded(t);
  await seen(wanted[0]);
  await t.page.locator("[role=grid]").focus();
  await t.page.keyboard.press("End");
  await seen(wanted.at(-1));
  await t.page.waitForFunction(() => new URL(location.href).searchParams.has("at"));
  const end = at();
  await t.page.reload();
  await loaded(t);
  await seen(wanted.at(-1));
  assert.equal(at(), end);
  // A copied link says the place too.
  await t.page.getByRole("button", { name: "复制链接" }).click();
  await t.page.getByRole("menuitem").first().click();
  await t.page.getByText("链接已复制").waitFor();
  assert.equal(new URL(await t.page.evaluate(() => navigator.clipboard.readText())).searchParams.get("at"), end);
  await t.page.getByRole("button", { name: "最新" }).click();
  await seen(wanted[0]);
  await t.page.waitForFunction(() => !new URL(location.href).searchParams.has("at"));
  // Asking again keeps the place that the address names.
  await t.open(`/?${question}&at=${events[700].time}`);
  await loaded(t);
  await t.page.getByRole("button", { name: "查询", exact: true }).click();
  await t.page.waitForTimeout(500);
  await loaded(t);
  await seen(events[700].seq);
});

test("a page that is put in before moves no row", { seconds: 120 }, async (t) => {
  const { events } = await t.api("events?tenant=*&last=90d&limit=1000&fields=time,seq");
  const middle = events[700];
  await t.open(`/?tenant=*&last=90d&at=${middle.time}`);
  await loaded(t);
  // Rows before it come in by themselves; the one that was asked for stays where it is.
  await t.page.waitForFunction(() => document.querySelector(".scroller").scrollTop > 2_000, null, { timeout: 15_000 });
  const place = () => t.page.locator(`[data-seq="${middle.seq}"]`).evaluate((row) => row.getBoundingClientRect().top);
  const before = await place();
  await scrollBy(t, -10);
  await t.page.waitForTimeout(400);
  assert.ok(Math.abs((await place()) - before - 10) <= 1);
  await t.page.locator(`[data-seq="${middle.seq}"] [data-column="0"]`).click();
  await t.page.getByRole("complementary", { name: "事件详情" }).waitFor();
  await t.page.waitForTimeout(300);
  assert.ok(Math.abs((await place()) - before - 10) <= 1, "the drawer moved the row");
});

test("focus stays when its row is recycled, keys return to it, Escape comes back from the drawer", { seconds: 120 }, async (t) => {
  await t.open("/?tenant=*&last=90d");
  await loaded(t);
  await t.page.locator("[role=grid]").focus();
  await t.page.keyboard.press("ArrowDown");
  await t.page.keyboard.press("j");
  const active = () => t.page.locator("[role=grid]").getAttribute("aria-activedescendant");
  const row = await active();
  assert.ok(await t.page.locator(`[id="${row}"]`).count());
  for (let round = 0; round < 14; round += 1) await scrollBy(t, 400);
  await t.page.waitForTimeout(300);
  assert.equal(await t.page.evaluate(() => document.activeElement.getAttribute("role")), "grid");
  assert.ok(await t.page.locator(`[id="${row}"]`).count(), "the active row left the page");
  await t.page.keyboard.press("k");
  assert.ok((await top(t)) < 200, "a key returns to the active row");
  await t.page.keyboard.press("Enter");
  const drawer = t.page.getByRole("complementary", { name: "事件详情" });
  await drawer.waitFor();
  const first = new URL(t.page.url()).searchParams.get("seq");
  await t.page.keyboard.press("j");
  await t.page.waitForFunction((seq) => new URL(location.href).searchParams.get("seq") !== seq, first);
  await t.page.keyboard.press("Escape");
  await drawer.waitFor({ state: "detached" });
  assert.equal(await t.page.evaluate(() => document.activeElement.getAttribute("role")), "grid");
  // Cells by key, and their menu.
  await t.page.keyboard.press("ArrowRight");
  await t.page.keyboard.press("ArrowRight");
  await t.page.keyboard.press("ArrowRight");
  await t.page.keyboard.press("Enter");
  await t.page.getByRole("menuitem", { name: "仅此值" }).waitFor();
  await t.page.keyboard.press("Escape");
  assert.equal(await t.page.evaluate(() => document.activeElement.getAttribute("role")), "grid");
});

test("single letters can be switched off, ? lists them", { seconds: 60 }, async (t) => {
  await t.open("/?tenant=*&last=90d");
  await loaded(t);
  await t.page.locator("[role=grid]").focus();
  await t.page.keyboard.press("?");
  const help = t.page.getByRole("dialog", { name: "键盘与帮助" });
  await help.waitFor();
  await help.getByRole("checkbox").uncheck();
  await t.page.keyboard.press("Escape");
  await t.page.locator("[role=grid]").focus();
  await t.page.keyboard.press("/");
  assert.equal(await t.page.evaluate(() => document.activeElement.getAttribute("role")), "grid");
  await t.page.keyboard.press("j");
  assert.equal(await t.page.locator("[role=grid]").getAttribute("aria-activedescendant"), null);
});

test("the live tail says how many are new, moves nothing, and shows them when asked", { own: true, seconds: 120 }, async (t) => {
  await t.open("/?tenant=*");
  await loaded(t);
  const record = (at) => JSON.stringify({ trace_id: `live-${at}`, trace_name: "liveEvent", service_type: "ECS", resource_type: "ecs", resource_name: `live-${at}`, trace_type: "ApiCall", trace_rating: "normal", user: { name: "li.si" }, time: Date.now() + at, code: "200" });
  const send = async (from, to) => {
    const lines = Array.from({ length: to - from }, (_, at) => record(from + at)).join("\n");
    await t.api("events?tenant=live", { method: "POST", body: `${lines}\n`, headers: { "Content-Type": "application/x-ndjson" } });
  };
  await t.page.locator(`${ROW} [data-column="0"]`).nth(2).click();
  await t.page.getByRole("complementary", { name: "事件详情" }).waitFor();
  const seq = new URL(t.page.url()).searchParams.get("seq");
  const place = () => t.page.locator(`[data-seq="${seq}"]`).evaluate((row) => row.getBoundingClientRect().top);
  const before = await place();
  await t.page.getByRole("button", { name: "实时" }).click();
  await t.page.waitForTimeout(2_500);
  await send(0, 37);
  const pill = t.page.getByRole("button", { name: /37 条新事件/ });
  await pill.waitFor();
  await t.page.getByText("实时：已暂停").waitFor();
  assert.ok(Math.abs((await place()) - before) <= 1);
  await pill.click();
  await t.page.locator(ROW, { hasText: "liveEvent" }).first().waitFor();
  await t.page.keyboard.press("Escape");
  // Nobody reads and the list is at its top: new rows come by themselves.
  await send(37, 40);
  await t.page.locator(ROW, { hasText: "live-39" }).waitFor();
  assert.equal(await t.page.locator(".pill").count(), 0);
});

test("page by page: a plain table with the same events", { data: "special", seconds: 90 }, async (t) => {
  const wanted = await all(t, "tenant=ties");
  await t.open("/?tenant=ties&mode=pages&cols=time,seq,trace_id");
  const seen = [];
  for (let page = 0; page < 20; page += 1) {
    await t.page.locator(".paged table").waitFor();
    await t.page.waitForFunction(() => !document.querySelector(".paged table.dimmed"));
    seen.push(...await t.page.locator(".paged tbody tr").evaluateAll((rows) => rows.map((row) => Number(row.cells[2].innerText))));
    const next = t.page.getByRole("button", { name: "下一页" });
    if (await next.isDisabled()) break;
    const first = seen.at(-1);
    await next.click();
    await t.page.waitForFunction((last) => { const table = document.querySelector(".paged table:not(.dimmed)"); return table && Number(table.tBodies[0].rows[0].cells[2].innerText) !== last && !document.querySelector(".turn button:disabled:first-child:last-child"); }, first);
    await t.page.waitForTimeout(150);
  }
  assert.deepEqual([...new Set(seen)], wanted);
  assert.equal(seen.length, wanted.length);
});

test("the newest question wins, whatever order answers come in", { seconds: 90 }, async (t) => {
  await t.open("/?tenant=*&last=90d");
  await loaded(t);
  let aborted = 0;
  t.page.on("requestfailed", () => (aborted += 1));
  t.allow(/ERR_ABORTED|Failed to load/);
  await t.page.route(/\/api\/v1\/events\?.*source=ECS/, async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await route.continue().catch(() => {});
  });
  const go = (query) => t.page.evaluate((to) => { history.pushState(null, "", to); dispatchEvent(new PopStateEvent("popstate")); }, query);
  await go("/?tenant=*&last=90d&source=ECS");
  await t.page.waitForTimeout(150);
  await go("/?tenant=*&last=90d&source=OBS");
  await t.page.waitForFunction(() => document.querySelector('[data-at="0"] [data-column="3"]')?.innerText === "OBS");
  await t.page.waitForTimeout(2_000);
  const values = await t.page.locator(`${ROW} [data-column="3"]`).allInnerTexts();
  assert.ok(values.length > 5 && values.every((value) => value === "OBS"), String(values.slice(0, 5)));
  assert.ok(aborted > 0, "the slow question was not given up");
});

test("the wheel scrolls what it is over, and never the whole application", { seconds: 120 }, async (t) => {
  for (const [width, height] of [[1440, 900], [1024, 600]]) {
    await t.page.setViewportSize({ width, height });
    await t.open("/?tenant=*&last=90d");
    await loaded(t);
    // Below this the page is taller than the window, and scrolls.
    const fits = await t.page.evaluate(() => document.querySelector(".page").getBoundingClientRect().bottom <= innerHeight + 1);
    for (const part of [".facets", "header", "section.list", "[role=img], canvas, svg", "footer"]) {
      if ((await t.page.locator(part).count()) === 0) continue;
      const box = await t.page.locator(part).first().boundingBox();
      if (!box) continue;
      await t.page.mouse.move(box.x + box.width / 2, Math.min(box.y + box.height / 2, height - 2));
      for (let turn = 0; turn < 5; turn += 1) await t.page.mouse.wheel(0, 800);
      await t.page.waitForTimeout(120);
      const at = await t.page.evaluate(() => [scrollY, document.documentElement.scrollHeight - innerHeight]);
      assert.ok(!fits || (at[0] === 0 && at[1] <= 1), `${width}×${height}: the wheel over ${part} scrolled the page to ${at}`);
      await t.page.evaluate(() => scrollTo(0, 0));
    }
    // A box stays beside its label, however far the facets are scrolled.
    if (width > 1000) {
      const apart = await t.page.evaluate(() => {
        const facets = document.querySelector(".facets");
        facets.scrollTop = facets.scrollHeight;
        return [...facets.querySelectorAll(".box")].map((box) => getComputedStyle(box).position).filter((position) => position === "static").length;
      });
      assert.equal(apart, 0, "the drawn box is positioned by something that does not scroll with it");
    }
  }
});

test("new events cost a few questions, also for who has scrolled down", { own: true, seconds: 120 }, async (t) => {
  const send = async (from, count) => {
    const line = (number) => JSON.stringify({ trace_id: `budget-${from + number}`, event_name: "liveEvent", source: "S", time: Date.now() });
    const body = Array.from({ length: count }, (_, number) => line(number)).join("\n");
    await t.api("events?tenant=budget", { method: "POST", body: `${body}\n`, headers: { "Content-Type": "application/x-ndjson" } });
  };
  await send(0, 300);
  await t.open("/?tenant=budget&last=1d");
  await loaded(t);
  await t.page.getByRole("button", { name: "实时" }).click();
  await t.page.locator(ROW).first().hover();
  await t.page.mouse.wheel(0, 3_000);
  await t.page.waitForTimeout(2_500);
  const asked = {};
  t.page.on("request", (request) => {
    const name = /api\/v1\/(\w+)/.exec(request.url())?.[1];
    if (name) asked[name] = (asked[name] ?? 0) + 1;
  });
  await send(1_000, 3);
  await t.page.waitForTimeout(6_000);
  const counts = asked.count ?? 0;
  assert.ok(counts >= 1 && counts <= 4, `${counts} counts in six seconds: ${JSON.stringify(asked)}`);
  assert.ok((asked.facets ?? 0) <= 2 && (asked.histogram ?? 0) <= 2, JSON.stringify(asked));
});

test("every pixel of a row opens its event", { seconds: 90 }, async (t) => {
  await t.open("/?tenant=*&last=90d");
  await loaded(t);
  const box = await t.page.locator(ROW).nth(3).boundingBox();
  for (let y = 1; y < box.height - 1; y += 3) {
    await t.page.mouse.click(box.x + 3, box.y + y);
    await t.page.getByRole("complementary", { name: "事件详情" }).waitFor();
    await t.page.keyboard.press("Escape");
    await t.page.getByRole("complementary", { name: "事件详情" }).waitFor({ state: "detached" });
  }
});
