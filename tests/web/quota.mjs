// The life of a quota: every figure against a computation of its own from the exported records, and every link against the
// list that it leads to.

import { assert, test } from "./harness.mjs";

const UNIT = 100_000_000n;
const RETURNS = ["recallCoupon", "unbindRecallCoupon", "expireRecallCoupon", "unsubscribeRecallCoupon", "refundRecallCoupon", "associateRecallCoupon", "switchModeRecallCoupon"];

function units(text) {
  const plain = text.replaceAll(",", "").replace("−", "-").replace("+", "").trim();
  const [whole, fraction = ""] = plain.replace("-", "").split(".");
  const size = BigInt(whole) * UNIT + BigInt(fraction.padEnd(8, "0"));
  return plain.startsWith("-") ? -size : size;
}

/** The ledger of a quota, computed from NDJSON with the raw records: by operation types, not by event names. */
async function ledger(t, tenant, quota) {
  const text = await (await fetch(`${t.server.url}/api/v1/events.ndjson?tenant=${encodeURIComponent(tenant)}&related_ids=quota:${encodeURIComponent(quota)}&related_ids=parent_quota:${encodeURIComponent(quota)}&order=asc&columns=time,format,original,trace_id`)).text();
  const rows = [];
  const sums = { granted: 0n, issued: 0n, returned: 0n, takenBack: 0n, grantedOn: 0n, takenBackFrom: 0n };
  let balance = 0n;
  for (const line of text.trim().split("\n")) {
    const { format, original, trace_id, time } = JSON.parse(line);
    const raw = typeof original === "string" ? original : JSON.stringify(original);
    // Amounts as they are written: JSON.parse would make them floats.
    const amount = /"(?:operation_)?amount"\s*:\s*"?(-?[\d.]+)/.exec(raw)?.[1];
    const record = JSON.parse(raw);
    let change = null;
    const done = record.result === undefined || record.result === "0";
    if (format === "partner" && done && amount !== undefined) {
      const type = String(record.operation_type);
      const own = record.quota_id === quota;
      const [key, sign] = record.coupon_id === undefined
        ? { 10: own ? ["granted", 1n] : ["grantedOn", -1n], 11: own ? ["takenBack", -1n] : ["takenBackFrom", 1n] }[type] ?? []
        : type === "1" ? ["issued", -1n] : ["2", "3", "4", "5", "6", "7", "8"].includes(type) ? ["returned", 1n] : [];
      if (key) {
        sums[key] += units(amount);
        change = sign * units(amount);
        balance += change;
      }
    }
    rows.push({ trace_id, time, change, balance });
  }
  return { rows, sums, balance };
}

const figure = (t, name) => t.page.locator("dl > div", { has: t.page.getByText(name, { exact: true }) }).locator("dd");
const amountOf = async (locator) => units((await locator.innerText()).split(/\s/)[0]);
const block = (t, name) => t.page.getByRole("region", { name });

async function open(t, tenant, quota, more = "") {
  await t.open(`/quota?tenant=${encodeURIComponent(tenant)}&id=${encodeURIComponent(quota)}${more}`);
  await t.page.locator("dl").first().waitFor();
}

async function listed(t, link) {
  const page = await t.context.newPage();
  await page.goto(new URL(await link.getAttribute("href"), t.url).href);
  await page.waitForFunction(() => Number(document.querySelector("[role=grid]")?.getAttribute("aria-rowcount")) > 0);
  const rows = Number(await page.locator("[role=grid]").getAttribute("aria-rowcount")) - 1;
  await page.close();
  return rows;
}

async function compare(t, tenant, quota) {
  const wanted = await ledger(t, tenant, quota);
  await open(t, tenant, quota, "&sort=asc");
  const granted = wanted.rows.length > 0 && wanted.sums.granted > 0n;
  if (granted) assert.equal(await amountOf(figure(t, "已发放（面值）")), wanted.sums.granted);
  else assert.match(await figure(t, "已发放（面值）").innerText(), /未知/, "no grant, no face value");
  assert.equal(await amountOf(figure(t, "已发券")), wanted.sums.issued);
  assert.equal(await amountOf(figure(t, "券回收")), wanted.sums.returned);
  assert.equal(await amountOf(figure(t, "已收回额度")), wanted.sums.takenBack);
  if (wanted.sums.grantedOn > 0n) assert.equal(await amountOf(figure(t, "转授下级")), wanted.sums.grantedOn);
  assert.equal(await amountOf(figure(t, granted ? "余额（据事件）" : "自首条事件以来的变化")), wanted.balance);
  await t.page.getByText("与库中合计一致").waitFor();
  const more = t.page.getByRole("button", { name: /再显示/ }).first();
  const table = block(t, /^台账/).locator("tbody");
  while (await table.locator("tr").count() < Math.min(wanted.rows.length, 200)) await more.click();
  const shown = await table.locator("tr").evaluateAll((rows) => rows.map((row) => ({ change: row.cells[2].innerText.trim(), struck: row.cells[2].querySelector("s") !== null, balance: row.cells[3].innerText.trim() })));
  for (const [at, row] of shown.entries()) {
    const { change, balance } = wanted.rows[at];
    if (change === null) assert.ok(row.change === "—" || row.struck, `row ${at} does not count`);
    else assert.deepEqual([units(row.change), units(row.balance)], [change, balance], `row ${at} of ${quota}`);
  }
  return wanted;
}

test("a life told in full: figures, ledger and balance to the cent", { data: "special" }, async (t) => {
  const { sums, balance } = await compare(t, "life", "Q-0817");
  assert.equal(sums.issued, 6_240_051_000_000n, "the sample has 62,400.51");
  assert.equal(balance, units("100000") - units("62400.51") + units("6100") - units("10000"));
  await t.page.getByText("若券回收不退回").waitFor();
  assert.match(await block(t, /^台账/).first().innerText(), /✕ 失败/);
  assert.match(await t.page.locator("section.head").innerText(), /经销商 B/);
  await t.shot("quota");
});

test("quotas of generated records, computed another way", { seconds: 240 }, async (t) => {
  const { values } = await t.api("top?tenant=*&field=related_ids.quota&size=4");
  const { values: parents } = await t.api("top?tenant=*&field=related_ids.parent_quota&size=1");
  for (const { value } of [...values, ...parents]) {
    const { events } = await t.api(`events?tenant=*&limit=1&related_ids=quota:${value}&related_ids=parent_quota:${value}`);
    await compare(t, events[0].tenant, value);
  }
});

test("a quota without its grant has no face value and no balance", { own: true, data: "empty" }, async (t) => {
  const record = { id: "1", operation_type: "1", quota_id: "Q-9", quota_type: 0, coupon_id: "C-1", customer_id: "K-1", operation_amount: 0.1, operation_time: "2026-01-01T00:00:00Z", result: "0" };
  const again = { ...record, id: "2", coupon_id: "C-2", operation_amount: 0.2 };
  await t.api("events?tenant=a", { method: "POST", headers: { "content-type": "application/x-ndjson" }, body: [record, again].map((one) => JSON.stringify(one)).join("\n") });
  await open(t, "a", "Q-9");
  assert.match(await figure(t, "已发放（面值）").innerText(), /未知/);
  assert.equal((await figure(t, "自首条事件以来的变化").innerText()).trim(), "−0.30", "0.1 + 0.2 is 0.30");
  await t.page.getByText("没有本额度的发放记录").waitFor();
  assert.equal(await t.page.getByText("余额（据事件）", { exact: true }).count(), 0);
});

test("a recall that leaves exactly what unbinds brought back is pointed out", { own: true, data: "empty" }, async (t) => {
  const quota = { quota_id: "Q-1", parent_quota_id: "Q-0", indirect_partner_id: "p", indirect_partner_name: "P", operator: "o", result: "0" };
  const coupon = { quota_id: "Q-1", quota_type: 0, coupon_id: "C", customer_id: "K", result: "0" };
  const records = [
    { id: "1", operation_type: "10", amount: 1000, operation_time: "2026-01-01T00:00:00Z", ...quota },
    { id: "2", operation_type: "1", operation_amount: 120.25, operation_time: "2026-01-02T00:00:00Z", ...coupon },
    { id: "3", operation_type: "3", operation_amount: 120.25, operation_time: "2026-01-03T00:00:00Z", ...coupon },
    { id: "4", operation_type: "11", amount: 879.75, operation_time: "2026-01-04T00:00:00Z", ...quota },
    { ...coupon, id: "5", operation_type: "1", operation_amount: 7, operation_time: "2026-01-05T00:00:00Z", result: "-1" },
  ];
  await t.api("events?tenant=a", { method: "POST", headers: { "content-type": "application/x-ndjson" }, body: records.map((one) => JSON.stringify(one)).join("\n") });
  await open(t, "a", "Q-1");
  assert.equal(await amountOf(figure(t, "余额（据事件）")), units("120.25"), "a failed issue takes nothing");
  await t.page.getByText(/恰等于「解绑自动回收券」的金额/).waitFor();
  await t.page.getByText("若券回收不退回：0.00").waitFor();
});

test("figures and evidence lead to lists of exactly those events", { data: "special" }, async (t) => {
  await open(t, "life", "Q-0817");
  for (const name of ["已发放（面值）", "已发券", "券回收", "已收回额度"]) {
    const dd = figure(t, name);
    assert.equal(await listed(t, dd.locator("a")), Number(await dd.locator("small").innerText()), name);
  }
  const row = block(t, /^台账/).locator("tbody tr").first();
  await row.getByRole("link", { name: "打开事件" }).click();
  await t.page.waitForURL(/event=/);
});

test("the unbind linkage names what is there and what is missing", { data: "special" }, async (t) => {
  await open(t, "life", "Q-0817");
  const linkage = block(t, "解绑关联");
  await linkage.getByText("cust-k").waitFor();
  assert.match(await linkage.innerText(), /推断/);
  assert.equal(await linkage.locator("li.there").count(), 4, "request, coupons, account, budget");
  assert.match(await linkage.innerText(), /券回收 2 · 2,000\.00/);
  await linkage.getByRole("link", { name: "cust-k" }).click();
  await t.page.getByRole("heading", { level: 1, name: /cust-k/ }).waitFor();
});

test("found by the beginning of an id, by the partner's name, by a coupon; opened and left by keys", { data: "special" }, async (t) => {
  await t.open("/quota?tenant=life");
  for (const text of ["Q-08", "经销商", "C-881", "cust-k"]) {
    await t.page.getByRole("searchbox").fill(text);
    await t.page.keyboard.press("Enter");
    await t.page.getByRole("heading", { name: /找到 1 个额度/ }).waitFor();
    await t.page.getByRole("link", { name: "Q-0817" }).waitFor();
  }
  await t.page.getByRole("link", { name: "Q-0817" }).focus();
  await t.page.keyboard.press("Enter");
  await t.page.getByRole("heading", { level: 1, name: /Q-0817/ }).waitFor();
  await t.page.goBack();
  await t.page.getByRole("heading", { name: /找到 1 个额度/ }).waitFor();
  await t.page.getByRole("searchbox").fill("no such quota");
  await t.page.keyboard.press("Enter");
  await t.page.getByText("没有额度符合").waitFor();
  await t.open("/quota?tenant=life&id=nothing");
  await t.page.getByText("没有事件提到这个额度").waitFor();
});

test("the chart picks the ledger's row; the period narrows rows and not the balance", { data: "special" }, async (t) => {
  await open(t, "life", "Q-0817");
  const chart = t.page.getByRole("slider");
  await chart.focus();
  await t.page.keyboard.press("End");
  await t.page.keyboard.press("Enter");
  const picked = block(t, /^台账/).locator("tr[aria-current]");
  await picked.waitFor();
  assert.match(await picked.innerText(), /收回额度/);
  const balance = await amountOf(figure(t, "余额（据事件）"));
  await open(t, "life", "Q-0817", "&last=25d");
  await t.page.getByText("已显示 1 / 1", { exact: true }).waitFor();
  assert.equal(await amountOf(figure(t, "余额（据事件）")), balance);
});

test("one part fails: the rest of the life is there", { data: "special" }, async (t) => {
  t.allow(/Failed to load resource/, /net::ERR/);
  await t.page.route(/\/api\/v1\/stats/, (route) => route.abort());
  await open(t, "life", "Q-0817");
  assert.equal(await t.page.getByText("与库中合计一致").count(), 0, "what was not compared is not said to agree");
  await block(t, /^台账/).locator("tbody tr").first().waitFor();
});

test("records that are hostile are text", { data: "special", seconds: 240 }, async (t) => {
  const { events } = await t.api("events?tenant=xss&resource_type=couponQuota&limit=200");
  for (const event of events.filter((_, at) => at % 12 === 0)) {
    await open(t, "xss", event.resource_id);
    await block(t, /^台账/).locator("tbody tr").first().waitFor();
    assert.equal(await t.page.locator("main script, main img, main iframe").count(), 0);
  }
});

for (const [locale, colorScheme, width] of [["zh-CN", "light", 1440], ["en-US", "dark", 900], ["zh-CN", "light", 320]]) {
  test(`accessible in ${locale}, ${colorScheme}, ${width} px`, { data: "special", locale, colorScheme, viewport: { width, height: 900 }, seconds: 240 }, async (t) => {
    for (const [path, name] of [["/quota?tenant=life", "find"], ["/quota?tenant=life&id=Q-0817", "life"]]) {
      await t.open(path);
      await t.page.waitForFunction(() => document.querySelectorAll('main [aria-busy="true"]').length === 0 && document.querySelector("main table tbody tr") !== null);
      await t.axe();
      assert.ok(await t.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "the page does not scroll sideways");
      await t.shot(`quota-${name}-${locale}-${colorScheme}-${width}`);
    }
  });
}
