// The life of a customer relationship: what was recalled with an unbind, against sums of the raw records; the evidence that
// is there and that is missing; before and after.

import { assert, test } from "./harness.mjs";
import { as, comeAs, person } from "./people.mjs";

const UNIT = 100_000_000n;

function units(text) {
  const plain = text.replaceAll(",", "").replace("−", "-").replace("+", "").trim();
  const [whole, fraction = ""] = plain.replace("-", "").split(".");
  const size = BigInt(whole) * UNIT + BigInt(fraction.padEnd(8, "0"));
  return plain.startsWith("-") ? -size : size;
}

/** What the raw records of a customer say, by their operation types. */
async function told(t, tenant, customer) {
  const text = await (await fetch(`${t.server.url}/api/v1/events.ndjson?tenant=${tenant}&related_ids=customer:${customer}&order=asc&columns=time,format,original,event_name`)).text();
  const sums = { coupons: 0n, account: 0n, switched: 0n };
  const counts = { coupons: 0, account: 0, switched: 0 };
  const requests = [];
  const lines = text.trim().split("\n").map((line) => JSON.parse(line));
  for (const { format, original, event_name } of lines) {
    const raw = typeof original === "string" ? original : JSON.stringify(original);
    const record = JSON.parse(raw);
    if (event_name === "applyUnbindOrSwitchCooperation") requests.push(/coupon_amount\\?"\s*:\s*(-?[\d.]+)/.exec(raw)?.[1] ?? null);
    if (format !== "partner" || (record.result !== undefined && record.result !== "0")) continue;
    const amount = /"(?:operation_)?amount"\s*:\s*"?(-?[\d.]+)/.exec(raw)?.[1];
    const type = record.coupon_id === undefined ? String(record.operation_type) : `coupon ${record.operation_type}`;
    const kind = { "coupon 3": "coupons", "coupon 8": "switched", SOURCE_OPERATION_BEUNBIND: "account", BEUNBIND: "account" }[type];
    if (kind) {
      sums[kind] += units(amount);
      counts[kind] += 1;
    }
  }
  return { sums, counts, requests, total: lines.length };
}

const block = (t, name) => t.page.getByRole("region", { name }).first();
const sumOf = (texts) => texts.map((text) => /([\d,]+\.\d+)/.exec(text)?.[1]).filter(Boolean).reduce((sum, text) => sum + units(text), 0n);

async function open(t, tenant, customer) {
  await t.open(`/relation?tenant=${tenant}&customer=${encodeURIComponent(customer)}`);
  await block(t, /^全部事件/).locator("tbody tr").first().waitFor();
}

test("an unbind told in full: what went back with it, and all four kinds of evidence", { data: "special" }, async (t) => {
  await open(t, "life", "cust-k");
  const { sums, total } = await told(t, "life", "cust-k");
  const happened = block(t, "经过");
  assert.equal(sums.coupons, units("2000"));
  assert.match(await happened.innerText(), /回收券 2 笔，共 2,000\.00/);
  assert.match(await happened.innerText(), /账户回收 1 笔，共 300\.00/);
  assert.match(await happened.innerText(), /4\/4 类证据/);
  assert.match(await happened.innerText(), /推断/);
  assert.match(await t.page.locator("section.head").innerText(), /已解绑/);
  assert.match(await t.page.locator("section.head").innerText(), /客户K/);
  assert.equal(await block(t, /^全部事件/).locator("tbody tr").count(), total);
  await t.page.getByText("事件没有写明何时建立关联").waitFor();
  await t.page.getByText("解绑之后没有再提到该客户的事件。").waitFor();
  await t.shot("relation");
});

test("customers of generated records: sums and requests agree with the raw records", { seconds: 240 }, async (t) => {
  const { values } = await t.api("top?tenant=*&field=related_ids.customer&event_name=unbindRecallCoupon&size=4");
  assert.ok(values.length >= 3);
  for (const { value } of values) {
    const { events } = await t.api(`events?tenant=*&limit=1&related_ids=customer:${value}`);
    await open(t, events[0].tenant, value);
    const { sums, counts, requests, total } = await told(t, events[0].tenant, value);
    const cards = t.page.locator("article");
    await t.page.waitForFunction(() => document.querySelectorAll('main [aria-busy="true"]').length === 0);
    const coupons = await cards.locator("dd:has(.check)").evaluateAll((all) => all.map((dd) => dd.childNodes[0]?.textContent.trim() === "" ? dd.innerText : dd.innerText));
    assert.equal(sumOf(coupons), sums.coupons + sums.switched, `coupons of ${value}`);
    const account = await cards.locator("dl > div:nth-child(2) dd").allInnerTexts();
    assert.equal(sumOf(account), sums.account, `account of ${value}`);
    assert.equal(await block(t, /^全部事件/).locator("tbody tr").count(), Math.min(total, 200));
    // The request says what the coupons come to, and the page holds the two against each other.
    if (requests.length === 1 && counts.coupons + counts.switched > 0) {
      const agrees = units(requests[0]) === sums.coupons + sums.switched;
      await t.page.getByText(agrees ? /与回收记录之和一致/ : /与回收记录之和相差/).first().waitFor();
    }
  }
});

test("what is missing is said: no budget, a recall that does not add up, events afterwards", { own: true, data: "empty" }, async (t) => {
  const request = JSON.stringify({ customer_id: "K", apply_type: "UNBIND", coupon_amount: 150.5, reason: "r" });
  const records = [
    { trace_id: "u", trace_name: "applyUnbindOrSwitchCooperation", service_type: "PartnerCenter", resource_type: "csbchannelsales", resource_id: "K", resource_name: "Kunde", trace_rating: "normal", trace_type: "ApiCall", code: "200", user: { name: "wang", domain: { name: "d" } }, request, response: "", time: Date.parse("2026-03-01T00:00:00Z") },
    { id: "1", operation_type: "3", quota_id: "Q", quota_type: 0, coupon_id: "C", customer_id: "K", operation_amount: 100.25, operation_time: "2026-03-01T00:01:00Z", result: "0" },
    { id: "2", operation_type: "1", quota_id: "Q", quota_type: 0, coupon_id: "D", customer_id: "K", operation_amount: 5, operation_time: "2026-04-01T00:01:00Z", result: "0" },
  ];
  await t.api("events?tenant=a", { method: "POST", headers: { "content-type": "application/x-ndjson" }, body: records.map((one) => JSON.stringify(one)).join("\n") });
  await open(t, "a", "K");
  const happened = block(t, "经过");
  await happened.getByText("与回收记录之和相差 +50.25").waitFor();
  assert.match(await happened.innerText(), /2\/4 类证据/);
  assert.match(await happened.innerText(), /预算删除（DELETE） · 缺/);
  assert.match(await happened.innerText(), /解绑后 1 条事件. ⚠/);
  assert.match(await block(t, /^全部事件/).locator("tr.after").innerText(), /之后/);
});

test("evidence leads to its events; the export is of what is shown", { data: "special" }, async (t) => {
  await open(t, "life", "cust-k");
  const href = await t.page.locator("li.there a").nth(1).getAttribute("href");
  const ids = new URL(href, t.url).searchParams.getAll("trace_id");
  assert.deepEqual(ids.sort(), ["coupon-record:u1", "coupon-record:u2"]);
  await t.page.getByRole("button", { name: "导出解绑记录" }).click();
  const dialog = t.page.getByRole("dialog");
  const { count } = await t.api("count?tenant=life&related_ids=customer:cust-k&filter=" + encodeURIComponent('{"related_ids":"relation:unbind"}'));
  assert.equal(count, 5);
  await dialog.getByText(new RegExp(`(^|\\D)${count}(\\D|$)`)).first().waitFor();
  await t.page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
});

test("customers are found by id and by name, and opened by keys", { data: "special" }, async (t) => {
  await t.open("/relation?tenant=life");
  await t.page.getByRole("link", { name: "cust-k" }).waitFor();
  for (const text of ["cust-k", "客户K", "cust"]) {
    await t.page.getByRole("searchbox").fill(text);
    await t.page.keyboard.press("Enter");
    await t.page.getByRole("heading", { name: /找到/ }).waitFor();
    await t.page.getByRole("link", { name: "cust-k" }).waitFor();
  }
  await t.page.getByRole("link", { name: "cust-k" }).focus();
  await t.page.keyboard.press("Enter");
  await t.page.getByRole("heading", { level: 1, name: /cust-k/ }).waitFor();
  await t.open("/relation?tenant=life&customer=nobody");
  await t.page.getByText("没有事件提到这个客户").waitFor();
});

test("records that are hostile are text", { data: "special", seconds: 240 }, async (t) => {
  const { events } = await t.api("events?tenant=xss&event_name=unbindRetrieveAccountAmount&limit=200");
  for (const event of events.filter((_, at) => at % 12 === 0)) {
    await open(t, "xss", event.resource_id);
    assert.equal(await t.page.locator("main script, main img, main iframe").count(), 0);
  }
});

for (const [locale, colorScheme, width] of [["zh-CN", "light", 1440], ["en-US", "dark", 900], ["zh-CN", "light", 320]]) {
  test(`accessible in ${locale}, ${colorScheme}, ${width} px`, { data: "special", locale, colorScheme, viewport: { width, height: 900 }, seconds: 240 }, async (t) => {
    for (const [path, name] of [["/relation?tenant=life", "find"], ["/relation?tenant=life&customer=cust-k", "life"]]) {
      await t.open(path);
      await t.page.waitForFunction(() => document.querySelectorAll('main [aria-busy="true"]').length === 0 && document.querySelector("main table tbody tr") !== null);
      await t.axe();
      assert.ok(await t.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "the page does not scroll sideways");
      await t.shot(`relation-${name}-${locale}-${colorScheme}-${width}`);
    }
  });
}

const json = { "content-type": "application/json" };
const recorded = (t, text) => block(t, "登记的关系").locator("[data-recorded]").filter({ hasText: text });

/** A distributor's tenant whose events are evidence, and relationships of a customer in every state. */
async function related(t) {
  const post = (path, body, method = "POST") => t.api(path, { method, headers: json, body: JSON.stringify(body) });
  await post("tenants/dist", { authoritative: true, partners: ["p1", "p2"] }, "PATCH");
  const collector = await person(t, "collector", { roles: ["ingest"], tenants: ["dist"], authoritative: ["dist"] });
  const deliver = (...records) => t.api("events?tenant=dist", { method: "POST", headers: { ...as(collector).headers, "content-type": "application/x-ndjson" }, body: records.map((one) => JSON.stringify(one)).join("\n") });
  const bind = (id, partner, on) => ({ trace_id: id, event_name: "associateCustomer", resource_type: "relationship", source: "PartnerCenter", time: on, details: { partner, customer: "c7", associated_on: on } });
  const coupon = (id, type, time) => ({ id, operation_type: type, quota_id: "Q", quota_type: 0, coupon_id: `C${id}`, customer_id: "c7", operation_amount: 5, operation_time: time, result: "0" });
  await deliver(bind("began-p1", "p1", "2026-01-10T00:00:00Z"));
  await deliver(coupon("3", "3", "2026-04-01T00:00:00Z"));
  await deliver(coupon("8", "8", "2026-04-02T00:00:00Z"));
  await deliver(bind("began-p2", "p2", "2026-05-01T00:00:00Z"));
  await deliver(bind("earlier-p2", "p2", "2026-04-20T00:00:00Z"));
  await post("relationships", { partner: "p1", customer: "c7", manager: "m1", tenants: ["dist"], from: "2026-02-01T00:00:00Z", to: "2026-03-01T00:00:00Z" });
  const { id } = await post("relationships", { partner: "p1", customer: "c7", tenants: ["dist"], from: "2025-01-01T00:00:00Z", to: "2025-02-01T00:00:00Z" });
  await post(`relationships/${id}/withdraw`, {});
}

test("an auditor sees who is related to a customer, when, and on what evidence", { own: true, principals: true, data: "empty", seconds: 120 }, async (t) => {
  t.allow(/status of 401/);
  await related(t);
  const auditor = await person(t, "auditor", { roles: ["auditor"], tenants: ["dist"] });
  await comeAs(t, auditor.token, "/relation?tenant=dist&tz=UTC&customer=c7");
  await block(t, "登记的关系").locator("[data-recorded]").nth(3).waitFor();
  assert.equal(await block(t, "登记的关系").locator("[data-recorded]").count(), 4);
  const ended = recorded(t, "began-p1");
  await ended.getByText("2026-01-10 00:00:00.000 至 2026-04-01 00:00:00.000").waitFor();
  await ended.getByText("生效", { exact: true }).waitFor();
  assert.match(await ended.locator("dl > div", { hasText: "缺少的依据" }).innerText(), /操作事件、账户回收、预算删除/);
  assert.match(await ended.locator("dl > div", { hasText: "相矛盾" }).first().innerText(), /模式切换回收: 结束或切换模式, 2026-04-02/);
  const waiting = recorded(t, "began-p2");
  assert.match(await waiting.innerText(), /2026-05-01 00:00:00.000 起，仍在存续/);
  assert.match(await waiting.innerText(), /待管理员确认\s+期间将改为：2026-04-20 00:00:00.000 起/);
  assert.equal(await waiting.getByRole("link", { name: "到访问权限页处理" }).count(), 0, "an auditor does not decide");
  assert.match(await recorded(t, "客户经理 m1").innerText(), /2026-02-01 00:00:00.000 至 2026-03-01/);
  await recorded(t, "2025-01-01").getByText("管理员已撤回：不显示任何事件。").waitFor();
  await t.page.getByText("以下由事件推断").waitFor();
  await t.axe();
  await t.shot("relation-recorded");
  await ended.getByRole("link", { name: "打开事件 coupon-record:3" }).click();
  await t.page.waitForURL((url) => url.pathname === "/" && url.searchParams.get("tenant") === "dist" && url.searchParams.get("trace_id") === "coupon-record:3");
  await t.page.locator("dl").getByText("coupon-record:3").first().waitFor();
  // Nothing is recorded of another customer, and somebody who does not see all tenants is told what that means.
  await t.open("/relation?tenant=dist&customer=c9");
  await block(t, "登记的关系").getByText("在您能完整看到的租户中").waitFor();
  await t.axe();
});

test("a principal of a partner sees the relationships of that partner and no other", { own: true, principals: true, data: "empty", locale: "en-US", seconds: 120 }, async (t) => {
  t.allow(/status of 401/);
  await related(t);
  const anna = await person(t, "anna", { roles: ["reader"], partner: "p1" });
  await comeAs(t, anna.token, "/relation?tenant=*&tz=UTC&lang=zh&customer=c7");
  await recorded(t, "began-p1").waitFor();
  assert.equal(await block(t, "登记的关系").locator("[data-recorded]").count(), 3);
  assert.ok(!(await t.page.content()).includes("began-p2"));
  await t.open("/relation?tenant=*&tz=UTC&lang=en&customer=c7");
  const part = block(t, "Recorded relationships");
  await part.getByText("2026-01-10 00:00:00.000 to 2026-04-01 00:00:00.000").waitFor();
  await part.getByText("an end leaves it behind, and none came from an authoritative tenant").first().waitFor();
  await t.axe();
  await t.open("/relation?tenant=*&lang=en&customer=c9");
  await part.getByText("No relationship of p1 with this customer is recorded.").waitFor();
});

test("what is recorded may be none, refused or out of reach, and the events are there all the same", { data: "special" }, async (t) => {
  await open(t, "life", "cust-k");
  await block(t, "登记的关系").getByText("没有登记这个客户的关系。").waitFor();
  let status = 403;
  await t.context.route(/\/api\/v1\/relationships\?/, (route) => route.fulfill({ status, json: { title: "problem", status, detail: "refused" } }));
  t.allow(/status of (403|500)/);
  await open(t, "life", "cust-k");
  await block(t, "登记的关系").getByText("您的角色不允许查看登记的关系").waitFor();
  await t.axe();
  status = 500;
  await t.page.getByRole("button", { name: "刷新" }).click();
  await block(t, "登记的关系").getByRole("alert").getByText("refused").waitFor();
  await t.context.unroute(/\/api\/v1\/relationships\?/);
  await block(t, "登记的关系").getByRole("button", { name: "重试" }).click();
  await block(t, "登记的关系").getByText("没有登记这个客户的关系。").waitFor();
});

test("recorded relationships that are hostile are text, and fit a narrow page", { data: "special", viewport: { width: 320, height: 900 }, colorScheme: "dark" }, async (t) => {
  const hostile = "<img src=x onerror=alert(1)>\u202e";
  const piece = { kind: "coupon_recall", says: "ended", at: "2026-03-01T00:00:00.000Z", not_after: "2026-03-02T00:00:00.000Z", known: "2026-03-03T00:00:00.000Z", effect: "contradicts", tenant: hostile, trace_id: hostile };
  const one = { id: "rel-000001", partner: hostile, customer: "cust-k", manager: hostile, tenants: [hostile], from: "2026-01-01T00:00:00.000Z", state: "waiting", evidence: [piece, piece], missing: [], contradicts: [piece] };
  const unmatched = { ...one, id: "rel-000002", to: one.from, state: "unmatched" };
  await t.context.route(/\/api\/v1\/relationships\?/, (route) => route.fulfill({ json: { relationships: [one, unmatched], next: null } }));
  await open(t, "life", "cust-k");
  await recorded(t, "rel-000001").getByText("整个期间待确认").waitFor();
  await recorded(t, "rel-000001").getByRole("link", { name: "到访问权限页处理" }).waitFor();
  await recorded(t, "rel-000002").getByText("不知道何时开始").waitFor();
  assert.equal(await t.page.locator("main img").count(), 0);
  assert.ok(await t.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "the page does not scroll sideways");
  await t.axe();
  await t.shot("relation-recorded-narrow");
});
