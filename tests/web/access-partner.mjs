// Readers of partners, who have no tenant of their own: they see the events of their customers and resellers for the time of
// the relationship, not all of their fields, and no page of administration. Against the server itself.

import { assert, test } from "./harness.mjs";
import { as, comeAs, person } from "./people.mjs";

const headers = { "content-type": "application/json" };
const grid = (t) => t.page.getByRole("grid");
const head = (t, name) => t.page.getByRole("navigation", { name: "主导航" }).getByRole("link", { name });

/** An event of a customer on a day of 2026. */
const record = (customer, day) => ({
  trace_id: `${customer}-${day}`, event_name: "issueCoupon", source: "PartnerCenter", resource_type: "coupon", resource_name: `coupon-${customer}-${day}`,
  operator: "wang.fang", source_ip: "198.51.100.27", related_ids: [`customer:${customer}`], time: `2026-${day}T08:00:00Z`,
});

async function related(t) {
  const shipper = await person(t, "shipper", { roles: ["ingest"], tenants: ["dist", "apart"] });
  const body = ["01-15", "02-15", "03-15", "05-15"].flatMap((day) => [record("c1", day), record("c2", day)]).map((one) => JSON.stringify(one)).join("\n");
  for (const tenant of ["dist", "apart"]) await t.api(`events?tenant=${tenant}`, { method: "POST", headers: { ...as(shipper).headers, "content-type": "application/x-ndjson" }, body });
  const relationship = { partner: "p1", customer: "c1", tenants: ["dist"], from: "2026-02-01T00:00:00Z", to: "2026-04-01T00:00:00Z" };
  await t.api("relationships", { method: "POST", headers, body: JSON.stringify(relationship) });
  return person(t, "anna", { roles: ["reader"], partner: "p1", masks: { operator: "hide", source_ip: "last4" } });
}

test("a reader of a partner sees its customer's events of the period, masked, and nothing to administer", { own: true, principals: true, data: "empty", seconds: 120 }, async (t) => {
  t.allow(/status of 401/);
  const anna = await related(t);
  assert.equal((await t.api("count?tenant=*", as(anna))).count, 2);
  const asked = [];
  t.page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  const refused = [];
  t.page.on("response", (response) => response.status() === 403 && refused.push(response.url()));
  await comeAs(t, anna.token, "/?tenant=*&cols=time,source_ip,operator,resource_name&tz=UTC");
  await grid(t).getByText("coupon-c1-02-15").waitFor();
  await grid(t).getByText("coupon-c1-03-15").waitFor();
  const shown = await grid(t).innerText();
  for (const other of ["c1-01-15", "c1-05-15", "c2-"]) assert.ok(!shown.includes(`coupon-${other}`), other);
  assert.equal(await grid(t).locator('[title="已遮盖：不显示"]').count(), 2, "the operator of each");
  assert.equal(await grid(t).locator('[title="已遮盖：只留末四位"]').count(), 2, "the address of each");
  const page = await t.page.content();
  assert.ok(!page.includes("wang.fang") && !page.includes("198.51.100"), "what is masked is nowhere on the page");
  await t.axe();
  await t.shot("access-partner");

  // The same of one event, whose record is withheld.
  await grid(t).focus();
  await t.page.keyboard.press("j");
  await t.page.keyboard.press("Enter");
  await t.page.locator("dl").locator('[title="已遮盖：只留末四位"]').waitFor();
  await t.page.getByRole("tab", { name: "原文" }).click();
  await t.page.getByText("原始记录不显示").waitFor();
  await t.page.keyboard.press("Escape");

  for (const name of ["访问权限", "存储", "审计轨迹"]) assert.equal(await head(t, name).count(), 0, name);
  for (const [path, title] of [["/access", "您不能管理访问权限"], ["/store", "您不能查看存储状态"]]) {
    await t.open(path);
    await t.page.getByText(title).last().waitFor();
  }
  for (const path of ["/api/v1/principals", "/api/v1/sessions", "/api/v1/status", "/api/v1/quarantine"]) assert.ok(!asked.includes(path), path);
  assert.deepEqual(refused, [], "what would be refused is not asked");
});

/** The record of a grant or a recall of a quota on a day of 2026. */
const operation = (reseller, quota, day, type) => ({
  id: `${reseller}-${day}`, operator: "li.na", operation_type: type, quota_id: quota, parent_quota_id: "Q-ROOT", amount: type === "10" ? 500 : 120,
  operation_time: `2026-${day}T08:00:00Z`, result: "0", indirect_partner_id: reseller, indirect_partner_name: `经销商 ${reseller}`,
});

/** A distributor with two resellers: an operation on the quota of each before, in, and after its period. */
async function resellers(t) {
  const collector = await person(t, "collector", { roles: ["ingest"], tenants: ["dist"] });
  const records = [["r1", "Q-ONE"], ["r2", "Q-TWO"]].flatMap(([reseller, quota]) =>
    [["01-15", "10"], ["02-15", "10"], ["03-15", "11"], ["05-15", "10"]].map(([day, type]) => operation(reseller, quota, day, type)));
  const adjusted = { trans_id: "T-1", customer_id: "c9", customer_name: "another customer", operation_type: "BEADJUST", amount: 3, operation_time: "2026-02-20T08:00:00Z", operator: "li.na" };
  const body = [...records, adjusted].map((one) => JSON.stringify(one)).join("\n");
  const { accepted } = await t.api("events?tenant=dist", { method: "POST", headers: { ...as(collector).headers, "content-type": "application/x-ndjson" }, body });
  assert.equal(accepted, 9);
  for (const reseller of ["r1", "r2"]) {
    const relationship = { partner: "p1", reseller, tenants: ["dist"], from: "2026-02-01T00:00:00Z", to: "2026-04-01T00:00:00Z" };
    await t.api("relationships", { method: "POST", headers, body: JSON.stringify(relationship) });
  }
  return {
    distributor: await person(t, "dora", { roles: ["reader"], partner: "p1", distributor: true }),
    reseller: await person(t, "rolf", { roles: ["reader"], partner: "r1" }),
  };
}

const ledger = (t) => t.page.getByRole("region", { name: /^台账/ }).locator("tbody tr");

test("a reseller opens its quota and the log of its operations, a distributor its list", { own: true, principals: true, data: "empty", seconds: 120 }, async (t) => {
  t.allow(/status of 401/);
  const { distributor, reseller } = await resellers(t);
  const refused = [];
  t.page.on("response", (response) => response.status() === 403 && refused.push(response.url()));

  // The reseller: its quota, and of that what is in its period.
  await comeAs(t, reseller.token, "/quota?tenant=*&tz=UTC");
  await t.page.getByRole("link", { name: "Q-ONE" }).waitFor();
  assert.equal(await t.page.getByRole("link", { name: "Q-TWO" }).count(), 0, "nor its sibling's");
  await t.page.getByRole("link", { name: "Q-ONE" }).click();
  await t.page.getByRole("heading", { level: 1, name: /Q-ONE/ }).waitFor();
  await ledger(t).first().waitFor();
  assert.equal(await ledger(t).count(), 2, "the grant and the recall of its period");
  const rows = await ledger(t).allInnerTexts();
  assert.match(rows.join("\n"), /2026-03-15[^]*2026-02-15/);
  assert.ok(!/2026-0[15]-15/.test(rows.join("\n")), "nothing before and after it");
  await t.page.getByRole("note").filter({ hasText: "只据这一部分" }).waitFor();
  assert.equal(await t.page.getByRole("button", { name: "导出这些事件" }).count(), 0, "a reader exports nothing");
  await t.axe();
  await t.shot("access-reseller-quota");
  await t.open("/?tenant=*&cols=time,event_name,resource_name&tz=UTC");
  await grid(t).getByText("经销商 r1").first().waitFor();
  assert.equal(await grid(t).getByText("经销商 r1").count(), 2);
  const log = await grid(t).innerText();
  assert.ok(!log.includes("r2") && !log.includes("another customer"), "neither its sibling's nor others' adjustments");
  // What is its sibling's is not there, whoever names it.
  await t.open("/quota?tenant=*&id=Q-TWO&tz=UTC");
  await t.page.getByText("没有事件提到这个额度").waitFor();

  // The distributor: both, each in its period, and no adjustment of a customer that is not its own.
  await comeAs(t, distributor.token, "/?tenant=*&cols=time,event_name,resource_name&tz=UTC");
  for (const name of ["经销商 r1", "经销商 r2"]) {
    await grid(t).getByText(name).first().waitFor();
    assert.equal(await grid(t).getByText(name).count(), 2, name);
  }
  assert.ok(!(await grid(t).innerText()).includes("another customer"));
  await t.shot("access-distributor");
  await t.open("/quota?tenant=*&tz=UTC");
  for (const name of ["Q-ONE", "Q-TWO"]) await t.page.getByRole("link", { name }).waitFor();
  assert.deepEqual(refused, [], "what would be refused is not asked");
});
