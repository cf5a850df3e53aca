// A reader of a partner, who has no tenant of its own: it sees the events of its customer for the time of the relationship,
// not all of their fields, and no page of administration. Against the server itself.

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
