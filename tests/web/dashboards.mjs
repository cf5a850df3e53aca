// Dashboards: every figure is what the API says, every figure leads to a list of exactly that many, and a block that fails
// leaves the others alone.

import { assert, test } from "./harness.mjs";

const DAY = 86_400_000;
/** A period of whole minutes, so that page and test ask the same. */
const to = Math.floor(Date.now() / 60_000) * 60_000;
const period = (days) => `from=${new Date(to - days * DAY).toISOString()}&to=${new Date(to).toISOString()}`;
const WEEKDAYS = 7;
const HOURS = 24;

const digits = (text) => Number(text.replaceAll(/[^\d]/g, ""));
const block = (t, name) => t.page.getByRole("region", { name, exact: true });
const zh = { volume: "事件量（按级别堆叠）", sources: "事件来源", names: "事件名称", operators: "操作用户", resources: "资源", resourceTypes: "资源类型", ip: "源IP", types: "事件类型", traces: "操作来源", codes: "返回码", failingNames: "失败的操作", failingOperators: "失败的操作用户", amounts: "按伙伴的发放、收回与发券金额", heat: "星期 × 小时" };

async function settled(t) {
  await t.page.waitForFunction(() => document.querySelectorAll('main [aria-busy="true"]').length === 0 && document.querySelectorAll("main section").length > 10, null, { timeout: 40_000 });
}

/** Hundredths of hundredths: amounts as whole numbers of 10⁻⁸, computed here and not by the page's code. */
function units(text) {
  const [whole, fraction = ""] = text.replaceAll(",", "").replace("−", "-").split(".");
  const sign = whole.startsWith("-") ? -1n : 1n;
  return BigInt(whole) * 100_000_000n + sign * BigInt(fraction.padEnd(8, "0"));
}

/** Follows a link and answers how many events the list says it has. */
async function listed(t, link) {
  const href = await link.getAttribute("href");
  const page = await t.context.newPage();
  await page.goto(new URL(href, t.url).href);
  const grid = page.locator("[role=grid]");
  await grid.waitFor();
  await page.waitForFunction(() => Number(document.querySelector("[role=grid]")?.getAttribute("aria-rowcount")) > 0);
  const rows = Number(await grid.getAttribute("aria-rowcount")) - 1;
  await page.close();
  return rows;
}

test("tiles, rankings and volume say what the API says", { seconds: 240 }, async (t) => {
  const range = period(30);
  await t.open(`/dashboards?tenant=*&${range}`);
  await settled(t);
  const counts = { 事件: "", 失败: "&level=warning&level=incident", 事故: "&level=incident", 解绑相关: "&related_ids=relation:unbind" };
  const before = `from=${new Date(to - 60 * DAY).toISOString()}&to=${new Date(to - 30 * DAY).toISOString()}`;
  for (const [name, filter] of Object.entries(counts)) {
    const tile = block(t, name);
    const { count } = await t.api(`count?tenant=*&${range}${filter}`);
    const then = await t.api(`count?tenant=*&${before}${filter}`);
    assert.equal(digits((await tile.locator(".figure a").innerText()).trim()), count, name);
    assert.equal(digits(await tile.locator(".change a").innerText()), then.count, `${name}, before`);
    // The change is rounded to tenths of a per cent, from whole numbers.
    const said = (await tile.locator(".way").innerText()).match(/[−+±][\d.]+%/)[0];
    const exact = ((count - then.count) / then.count) * 100;
    assert.ok(Math.abs(Number(said.replace("−", "-").replace("±", "").replace("%", "")) - exact) < 0.0501, `${said} is not ${exact}`);
  }
  const rankings = [
    ["sources", "source", ""], ["names", "event_name", ""], ["operators", "operator", ""], ["resources", "resource_id", ""], ["resourceTypes", "resource_type", ""],
    ["ip", "source_ip", ""], ["types", "event_type", ""], ["traces", "trace_type", ""], ["codes", "code", "&level=warning&level=incident"],
    ["failingNames", "event_name", "&level=warning&level=incident"], ["failingOperators", "operator", "&level=warning&level=incident"],
  ];
  for (const [name, field, filter] of rankings) {
    const { values } = await t.api(`top?tenant=*&${range}${filter}&field=${field}&size=10`);
    const { count } = await t.api(`count?tenant=*&${range}${filter}`);
    const shown = (await block(t, zh[name]).locator("tbody td.count").allInnerTexts()).map(digits);
    const listedValues = values.slice(0, name === "types" ? 5 : name === "traces" ? 7 : 10).map((one) => one.count);
    assert.deepEqual(shown.slice(0, listedValues.length), listedValues, zh[name]);
    assert.equal(shown.reduce((sum, one) => sum + one, 0), count, `${zh[name]}: rows and the rest add up to the total`);
  }
  const { buckets } = await t.api(`histogram?tenant=*&${range}&by=level&interval=auto&time_zone=Asia/Shanghai`);
  for (const [level, word] of [["normal", "正常"], ["warning", "警告"], ["incident", "事故"]]) {
    const sum = buckets.reduce((total, bucket) => total + (bucket.by[level] ?? 0), 0);
    assert.equal(digits(await block(t, zh.volume).locator(".legend a", { hasText: word }).innerText()), sum, level);
  }
  await block(t, zh.volume).getByRole("button", { name: "表格" }).click();
  const rows = await block(t, zh.volume).locator("tbody tr td:nth-child(2)").allInnerTexts();
  assert.deepEqual(rows.map(digits), buckets.map((bucket) => bucket.count), "the table twin is the histogram");
});

test("weekday by hour adds up, and a cell is the sum of its hours", async (t) => {
  const range = period(90);
  await t.open(`/dashboards?tenant=*&${range}`);
  await settled(t);
  const cells = block(t, zh.heat).locator(".cell");
  assert.equal(await cells.count(), WEEKDAYS * HOURS);
  const { buckets } = await t.api(`histogram?tenant=*&${range}&interval=1h&time_zone=Asia/Shanghai`);
  const wanted = Array.from({ length: WEEKDAYS * HOURS }, () => 0);
  for (const bucket of buckets) {
    // Shanghai is eight hours ahead of UTC, all year.
    const wall = new Date(Date.parse(bucket.start) + 8 * 3_600_000);
    wanted[((wall.getUTCDay() + 6) % 7) * HOURS + wall.getUTCHours()] += bucket.count;
  }
  const shown = await cells.evaluateAll((all) => all.map((cell) => Number(cell.getAttribute("aria-label").split("：").at(-1).replaceAll(",", ""))));
  assert.deepEqual(shown, wanted);
  const { count } = await t.api(`count?tenant=*&${range}`);
  assert.equal(shown.reduce((sum, one) => sum + one, 0), count);
  await cells.nth(1 * HOURS + 10).click();
  const hours = (await block(t, zh.heat).locator(".hours li span").allInnerTexts()).map(digits);
  assert.equal(hours.reduce((sum, one) => sum + one, 0), shown[1 * HOURS + 10]);
  const first = block(t, zh.heat).locator(".hours li").first();
  assert.equal(await listed(t, first.locator("a")), digits(await first.locator("span").innerText()));
  // By keys: one stop for the whole map, arrows within.
  await t.page.keyboard.press("Escape");
  await cells.nth(1 * HOURS + 10).focus();
  await t.page.keyboard.press("ArrowRight");
  assert.equal(await t.page.evaluate(() => document.activeElement.dataset.cell), "1-11");
});

test("amounts by partner are exact: each row against sums of the exported records", { seconds: 240 }, async (t) => {
  const range = period(60);
  await t.open(`/dashboards?tenant=*&${range}`);
  await settled(t);
  const lines = async (filter) => (await (await fetch(`${t.server.url}/api/v1/events.ndjson?tenant=*&format=partner&${filter}`)).text()).trim().split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const related = (event, kind) => event.related_ids.find((id) => id.startsWith(`${kind}:`))?.slice(kind.length + 1);
  const grants = await lines("event_name=grantCouponQuota");
  const holder = new Map(grants.map((event) => [event.resource_id, related(event, "reseller")]));
  const returns = ["recallCoupon", "unbindRecallCoupon", "expireRecallCoupon", "unsubscribeRecallCoupon", "refundRecallCoupon", "associateRecallCoupon", "switchModeRecallCoupon"];
  const columns = [["grantCouponQuota"], ["recallCouponQuota"], ["issueCoupon"], returns];
  const sums = new Map();
  const totals = [0n, 0n, 0n, 0n];
  for (const [place, names] of columns.entries()) {
    const events = await lines(`${range}&level=normal&${names.map((name) => `event_name=${name}`).join("&")}`);
    for (const event of events) {
      const partner = place < 2 ? related(event, "reseller") : holder.get(related(event, "quota"));
      const row = sums.get(partner) ?? [0n, 0n, 0n, 0n];
      row[place] += units(event.amount);
      totals[place] += units(event.amount);
      sums.set(partner, row);
    }
  }
  assert.ok(sums.size > 3 && totals.every((total) => total > 0n), "there is something to compare");
  const all = block(t, zh.amounts).getByRole("button", { name: /列出全部/ });
  if (await all.count()) await all.click();
  const read = async (row) => Promise.all([0, 1, 2, 3].map(async (at) => {
    const text = (await row.locator("td.amount").nth(at).locator("a, span:not(.bar)").first().innerText()).trim();
    return text === "—" ? 0n : units(text);
  }));
  const table = block(t, zh.amounts).locator("tbody");
  assert.deepEqual(await read(table.locator("tr.total")), totals);
  assert.match(await table.locator("tr.total").innerText(), /各行之和与总额一致/);
  const rows = table.locator("tr:not(.total):not(.quota)");
  assert.equal(await rows.count(), sums.size);
  for (let at = 0; at < Math.min(await rows.count(), 12); at += 1) {
    const id = await rows.nth(at).locator(".id").count() ? (await rows.nth(at).locator(".id").innerText()).trim() : undefined;
    assert.deepEqual(await read(rows.nth(at)), sums.get(id), `partner ${id}`);
  }
  // A figure leads to exactly its records.
  const cell = rows.first().locator("td.amount").first();
  assert.equal(await listed(t, cell.locator("a")), digits(await cell.locator("small").innerText()));
  // A partner opens into its quotas, which add up to it.
  await rows.first().getByRole("button").click();
  const quotas = await table.locator("tr.quota").evaluateAll((all) => all.map((row) => row.querySelectorAll("td.amount")[2]?.querySelector("a, span:not(.bar)")?.textContent.trim() ?? "—"));
  assert.ok(quotas.length > 0);
  const issued = quotas.filter((text) => text !== "—").reduce((sum, text) => sum + units(text), 0n);
  assert.equal(issued, (await read(rows.first()))[2]);
});

test("a number leads to a list of exactly that many events", { seconds: 240 }, async (t) => {
  await t.open(`/dashboards?tenant=*&${period(30)}`);
  await settled(t);
  const links = [
    block(t, "失败").locator(".figure a"), block(t, "失败").locator(".change a"), block(t, "解绑相关").locator(".figure a"),
    block(t, zh.sources).locator("tbody tr").nth(2).locator("td.count a"), block(t, zh.failingOperators).locator("tbody tr").first().locator("td.count a"),
    block(t, zh.volume).locator(".legend a").nth(1),
  ];
  for (const link of links) assert.equal(await listed(t, link), digits((await link.innerText()).replace(/^[^\d]*/, "")), await link.getAttribute("href"));
  const rest = block(t, zh.sources).locator("tr.rest");
  assert.equal(await listed(t, rest.locator("a")), digits(await rest.locator("td.count").innerText()), "the others");
});

test("the volume is brushed by keys, and Back undoes it", async (t) => {
  await t.open(`/dashboards?tenant=*&${period(30)}`);
  await settled(t);
  const before = t.page.url();
  await block(t, zh.volume).getByRole("slider").focus();
  for (const key of ["ArrowRight", "ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight", "Enter"]) await t.page.keyboard.press(key);
  await t.page.waitForURL((url) => url.href !== before);
  await settled(t);
  const chosen = new URL(t.page.url()).searchParams;
  const { count } = await t.api(`count?tenant=*&from=${chosen.get("from")}&to=${chosen.get("to")}`);
  assert.equal(digits(await block(t, "事件").locator(".figure").innerText()), count);
  await t.page.goBack();
  assert.equal(t.page.url(), before);
});

test("conditions of the address narrow every block, and the chip is there", async (t) => {
  await t.open(`/dashboards?tenant=*&${period(30)}&source=ECS&level=warning&level=normal`);
  await settled(t);
  const { count } = await t.api(`count?tenant=*&${period(30)}&source=ECS&level=warning`);
  assert.equal(digits(await block(t, "失败").locator(".figure a").innerText()), count, "failures within the levels that are asked for");
  assert.equal((await block(t, "事故").locator(".figure").innerText()).trim().split(/\s/)[0], "0", "incidents are not asked for");
  await t.page.getByRole("button", { name: /ECS/ }).first().waitFor();
});

test("a block that fails says so, leaves the others and can be tried again", async (t) => {
  t.allow(/Failed to load resource/, /net::ERR/);
  let broken = true;
  await t.page.route(/\/api\/v1\/histogram/, (route) => (broken ? route.abort() : route.continue()));
  await t.page.route(/\/api\/v1\/top\?.*field=operator/, (route) => (broken ? route.fulfill({ status: 500, contentType: "application/problem+json", body: '{"detail":"planted","status":500}' }) : route.continue()));
  await t.open(`/dashboards?tenant=*&${period(30)}`);
  await t.page.getByRole("alert").filter({ hasText: "连接不到服务器" }).waitFor();
  await block(t, zh.volume).locator("[data-away]").waitFor();
  await block(t, zh.operators).getByRole("alert").waitFor();
  await block(t, zh.sources).locator("tbody tr").first().waitFor();
  await block(t, "事件").locator(".figure").waitFor();
  broken = false;
  await block(t, zh.operators).getByRole("button", { name: "重试" }).click();
  await block(t, zh.operators).locator("tbody tr").first().waitFor();
  assert.equal(await block(t, zh.operators).getByRole("alert").count(), 0);
});

test("a condition that cannot be asked: every block says so, and none waits for ever", async (t) => {
  await t.open(`/dashboards?tenant=*&${period(30)}&nonsense=1`);
  const said = t.page.locator("main section").filter({ has: t.page.locator("[data-not-asked]") });
  await said.first().waitFor();
  assert.equal(await said.count(), await t.page.locator("main section").count());
  assert.equal(await t.page.locator("main .skeleton").count(), 0);
  assert.match(await said.first().innerText(), /没有查询：.*nonsense/);
  await t.axe();
});

test("a large change is said as a factor, one from nothing as such, and no axis shows another number than its tick's", { locale: "en-US", seconds: 120 }, async (t) => {
  await t.page.addInitScript(() => {
    window.drawn = [];
    const write = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, x, y) { window.drawn.push({ text, y: Math.round(y) }); return write.apply(this, arguments); };
  });
  const now = new Date(to - 30 * DAY).toISOString();
  await t.page.route(/\/api\/v1\/count/, (route) => {
    const params = new URL(route.request().url()).searchParams;
    const current = params.get("from") === now;
    const count = params.has("related_ids") ? (current ? 7 : 0) : params.has("level") ? (current ? 999_999 : 1_000_000) : current ? 3_349_000 : 2_000;
    return route.fulfill({ json: { count } });
  });
  await t.page.route(/\/api\/v1\/histogram/, async (route) => {
    const answer = await route.fetch();
    const json = await answer.json();
    return route.fulfill({ response: answer, json: { ...json, buckets: json.buckets.map((bucket, at) => ({ ...bucket, count: at === 1 ? 2_300 : 40, by: { normal: at === 1 ? 2_300 : 40 } })) } });
  });
  await t.open(`/dashboards?tenant=*&${period(30)}`);
  await settled(t);
  const change = async (name) => (await block(t, name).locator(".change").innerText()).trim();
  assert.equal(await change("Events"), "▲ 1,674.5 times before: 2,000");
  assert.equal(await change("Unbind records"), "▲ from 0 before");
  assert.equal(await change("Incidents"), "▼ >−0.1% before: 1,000,000");
  await t.page.waitForFunction(() => window.drawn.some(({ text }) => text === "2.25K"));
  const labels = await t.page.evaluate(() => window.drawn.filter(({ text }) => /^[\d.,]+[KM]?$/.test(text)));
  const value = ({ text }) => Number(text.replace(/[,KM]/g, "")) * (text.endsWith("K") ? 1e3 : 1);
  const ticks = [...new Map(labels.map((label) => [value(label), label.y])).entries()].sort((left, right) => left[0] - right[0]);
  assert.ok(ticks.length > 4, JSON.stringify(ticks));
  const step = ticks[1][0] - ticks[0][0];
  for (const [at, [number]] of ticks.entries()) assert.equal(number, ticks[0][0] + at * step, "ticks stand at equal distances, and so do their numbers");
});

test("last month is compared with the month before it", { seconds: 90 }, async (t) => {
  await t.open("/dashboards?tenant=*&tz=America/New_York&from=2026-10-01T04:00:00.000Z&to=2026-11-01T04:00:00.000Z");
  await t.page.getByText("对比前一周期 2026-09-01 00:00 至 2026-10-01 00:00").waitFor();
  await t.page.getByRole("button", { name: /^时间范围/ }).click();
  await t.page.getByRole("button", { name: "上月" }).click();
  // Both begin at the first of a month, at midnight.
  const said = await t.page.locator(".sub").innerText();
  const [from, until, before, end] = said.match(/\d{4}-\d\d-\d\d \d\d:\d\d/g);
  for (const moment of [from, until, before, end]) assert.match(moment, /-01 00:00$/);
  assert.equal(end, from);
  assert.equal((12 + Number(from.slice(5, 7)) - Number(before.slice(5, 7))) % 12, 1, said);
});

test("refreshing keeps what is shown until the new answer is there", async (t) => {
  await t.open("/dashboards?tenant=*&last=30d");
  await settled(t);
  await t.page.evaluate(() => {
    window.emptied = 0;
    new MutationObserver(() => { if (document.querySelectorAll("main .skeleton").length > 0) window.emptied += 1; }).observe(document.querySelector("main"), { childList: true, subtree: true });
  });
  await t.page.getByRole("button", { name: "刷新", exact: true }).click();
  await settled(t);
  assert.equal(await t.page.evaluate(() => window.emptied), 0, "no block went back to its skeleton");
  await t.page.getByText("30 秒", { exact: true }).click();
  assert.equal(new URL(t.page.url()).searchParams.get("refresh"), "30");
});

for (const [locale, colorScheme, width] of [["zh-CN", "light", 1440], ["en-US", "dark", 900], ["zh-CN", "dark", 320]]) {
  test(`accessible in ${locale}, ${colorScheme}, ${width} px`, { locale, colorScheme, viewport: { width, height: 900 }, seconds: 240 }, async (t) => {
    await t.open(`/dashboards?tenant=*&${period(30)}&source.not=OBS`);
    await settled(t);
    await t.axe();
    assert.ok(await t.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "the page does not scroll sideways");
    await t.shot(`dashboards-${locale}-${colorScheme}-${width}`);
  });
}

test("nothing in a record is markup here", { data: "special", seconds: 240 }, async (t) => {
  await t.open("/dashboards?tenant=xss&last=3650d");
  await settled(t);
  await t.open("/dashboards?tenant=odd&last=3650d");
  await settled(t);
  assert.equal(await t.page.locator("main script, main img, main iframe").count(), 0);
});
