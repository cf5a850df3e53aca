// Relationships of partners, administered on the page of access, against the server itself.

import { assert, test } from "./harness.mjs";

const dialog = (t) => t.page.getByRole("dialog");
const block = (t) => t.page.getByRole("region", { name: "关系" });
const row = (t, id) => t.page.locator(`[data-relationship="${id}"]`);
const headers = { "content-type": "application/json" };

test("a relationship is recorded by the form, what waits is confirmed, and one is withdrawn", { own: true, principals: true, data: "empty", seconds: 120 }, async (t) => {
  t.allow(/status of 40[0139]/);
  // The tenant whose events are evidence, and who may deliver it.
  await t.api("tenants/dist", { method: "PATCH", headers, body: JSON.stringify({ authoritative: true, partners: ["p1"] }) });
  const collector = { roles: ["ingest"], tenants: ["dist"], authoritative: ["dist"] };
  await t.api("principals", { method: "POST", headers, body: JSON.stringify({ name: "collector", ...collector }) });
  const made = await t.api("principals/collector/tokens", { method: "POST", headers, body: "{}" });
  const bind = (id, on) => JSON.stringify({
    trace_id: id, event_name: "associateCustomer", resource_type: "relationship", source: "PartnerCenter", time: "2026-03-01T00:00:00Z",
    details: { partner: "p1", customer: "c7", associated_on: on },
  });
  const deliver = (body) => t.api("events?tenant=dist", { method: "POST", headers: { ...headers, authorization: `Bearer ${made.token}` }, body });

  await t.page.goto(`${t.url}/access?tz=UTC#token=${t.token}`);
  await block(t).getByText("还没有关系").waitFor();
  await t.page.getByRole("button", { name: "登记关系" }).click();
  const box = dialog(t);
  const save = box.getByRole("button", { name: "登记", exact: true });
  await box.getByLabel("伙伴").fill("p1");
  await box.getByLabel("客户", { exact: true }).fill("c8");
  await box.getByLabel("租户").fill("dist");
  await box.getByLabel("开始").fill("not a time");
  await save.click();
  await box.locator(".field", { has: t.page.getByLabel("开始") }).locator("[data-fault]").waitFor();
  await box.getByLabel("开始").fill("2026-02-01 00:00");
  await box.getByLabel("结束").fill("2026-01-01 00:00");
  await save.click();
  await box.locator(".field", { has: t.page.getByLabel("结束") }).locator("[data-fault]").waitFor();
  await box.getByLabel("结束").fill("");
  await save.click();
  await row(t, "rel-000001").getByText("生效").waitFor();
  await t.page.locator("[data-said]").getByText("rel-000001").waitFor();

  await deliver(bind("b1", "2026-03-01T00:00:00Z"));
  await deliver(bind("b2", "2026-01-01T00:00:00Z"));
  await block(t).getByRole("button", { name: "刷新" }).click();
  await row(t, "rel-000002").getByText(/待确认：2026-01-01/).waitFor();
  await t.axe();
  await t.shot("access-relationships");
  await t.page.getByRole("button", { name: "确认 rel-000002" }).click();
  await box.getByText(/p1 将可以看到这段时间的事件：2026-01-01/).waitFor();
  await box.getByRole("button", { name: "确认", exact: true }).click();
  await row(t, "rel-000002").getByText("2026-01-01 00:00 起").waitFor();
  await t.page.getByRole("button", { name: "撤回 rel-000001" }).click();
  await box.getByRole("button", { name: "撤回", exact: true }).click();
  await row(t, "rel-000001").getByText("已撤回").waitFor();
  const { relationships } = await t.api("relationships");
  assert.deepEqual(relationships.map((one) => one.state), ["withdrawn", "recorded"]);
  assert.equal(relationships[1].from, "2026-01-01T00:00:00.000Z");
  assert.equal(await row(t, "rel-000002").getByRole("link").count(), 0, "who may not read events is not led to them");
});

test("a relationship is found by its parties, ended, and opened again; what the server says stands at the field", { own: true, principals: true, data: "empty", locale: "en-US", seconds: 120 }, async (t) => {
  t.allow(/status of 40[0139]/);
  for (const customer of ["c1", "c2"]) {
    const body = { partner: `of-${customer}`, customer, tenants: ["dist"], from: "2026-01-01T00:00:00Z" };
    await t.api("relationships", { method: "POST", headers, body: JSON.stringify(body) });
  }
  const part = t.page.getByRole("region", { name: "Relationships" });
  const found = part.locator("[data-relationship]");
  await t.page.goto(`${t.url}/access?tz=UTC&lang=en#token=${t.token}`);
  await found.nth(1).waitFor();
  const search = part.getByRole("search", { name: "Find relationships" });
  await search.getByRole("searchbox", { name: "Id" }).fill("c2");
  await t.page.keyboard.press("Enter");
  await row(t, "rel-000001").waitFor({ state: "detached" });
  await row(t, "rel-000002").getByText("since 2026-01-01 00:00, and lasts").waitFor();
  await search.getByLabel("By").selectOption("partner");
  await search.getByRole("searchbox", { name: "Id" }).fill("nobody");
  await search.getByRole("button", { name: "Search" }).click();
  await part.getByText("Nothing found: nobody").waitFor();
  await search.getByRole("button", { name: "All" }).click();
  await row(t, "rel-000001").waitFor();

  await t.page.getByRole("button", { name: "Set the end of rel-000001" }).click();
  const box = dialog(t);
  const save = box.getByRole("button", { name: "Save" });
  await box.getByText("sees what comes after, too").waitFor();
  await save.click();
  await box.getByText("Nothing was changed").waitFor();
  await box.getByLabel("Until").fill("some day");
  await box.getByText("This is no time").waitFor();
  await box.getByLabel("Until").fill("2025-01-01 00:00");
  await save.click();
  await box.locator(".field", { has: t.page.getByLabel("Until") }).getByText("must be later than from").waitFor();
  await t.axe();
  await t.shot("access-relationships-end");
  await box.getByLabel("Until").fill("2026-06-01 00:00");
  await box.getByText("From this moment on of-c1 sees no new events").waitFor();
  await save.click();
  await t.page.locator("[data-said]").getByText("The period is changed: rel-000001").waitFor();
  await row(t, "rel-000001").getByText("2026-01-01 00:00 to 2026-06-01 00:00").waitFor();
  assert.equal((await t.api("relationships?customer=c1")).relationships[0].to, "2026-06-01T00:00:00.000Z");
  await t.page.getByRole("button", { name: "Set the end of rel-000001" }).click();
  await box.getByLabel("Until").fill("");
  await save.click();
  await row(t, "rel-000001").getByText("since 2026-01-01 00:00, and lasts").waitFor();
  assert.equal((await t.api("relationships?customer=c1")).relationships[0].to, undefined);
});
