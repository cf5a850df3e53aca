// The settings of principals and tenants that relationships, certificates and limits need, set on the page of access,
// against the server itself.

import { assert, test } from "./harness.mjs";

const dialog = (t) => t.page.getByRole("dialog");
const faultAt = (t, label) => dialog(t).locator(".field", { has: t.page.getByLabel(label) }).locator("[data-fault]");
const said = (t, text) => t.page.locator("[data-said]").getByText(text).waitFor();
const english = { own: true, principals: true, data: "empty", locale: "en-US", timezoneId: "UTC", seconds: 120 };

test("a principal gets a partner, certificates and limits, and loses them; what the server says stands at its field", english, async (t) => {
  t.allow(/status of 40[019]/);
  await t.page.goto(`${t.url}/access?tz=UTC#token=${t.token}`);
  await t.page.getByRole("button", { name: "New principal" }).click();
  const box = dialog(t);
  const save = box.getByRole("button", { name: "Save" });
  await box.getByLabel("Name").fill("gate");
  await box.getByRole("checkbox", { name: /^Reader/ }).check();
  await box.getByLabel("Manager").fill("m1");
  await save.click();
  await faultAt(t, "Manager").getByText("is of a partner: name it").waitFor();
  assert.equal(await box.getByLabel("Manager").evaluate((field) => field === document.activeElement), true, "the field has the focus");
  await box.getByLabel("Manager").fill("");
  await box.getByRole("checkbox", { name: /^The partner is a distributor/ }).check();
  await save.click();
  await box.locator(".field", { has: t.page.getByRole("checkbox", { name: /distributor/ }) }).locator("[data-fault]").waitFor();
  await box.getByLabel("Belongs to the partner").fill("p 1");
  await save.click();
  await faultAt(t, "Belongs to the partner").waitFor();
  await box.getByLabel("Belongs to the partner").fill("p1");
  await box.getByLabel("Manager").fill("m1");
  await box.getByLabel("Delivers evidence").fill("dist");
  await save.click();
  await faultAt(t, "Delivers evidence").getByText("a partner does not state relationships").waitFor();
  await box.getByLabel("Delivers evidence").fill("");
  await box.getByLabel("Client certificates").fill("nobody");
  await save.click();
  await faultAt(t, "Client certificates").waitFor();
  await box.getByLabel("Client certificates").fill("cn:gate\ndns:gate.example");
  await box.getByLabel("Requests a second").fill("some");
  await box.getByText("It is a whole number from 1").waitFor();
  await save.click();
  assert.deepEqual((await t.api("principals")).principals.map((one) => one.name), ["admin"], "nothing was sent");
  await box.getByLabel("Requests a second").fill("5");
  await box.getByLabel("Bytes delivered a second").fill("5");
  await save.click();
  await faultAt(t, "Bytes delivered a second").getByText("bytes_in is at least").waitFor();
  await t.axe();
  await t.shot("access-forms-principal");
  await box.getByLabel("Bytes delivered a second").fill("70000");
  await save.click();
  await said(t, "Created: gate");
  const { name, roles, tenants, ...settings } = await t.api("principals/gate");
  assert.deepEqual([name, roles, tenants], ["gate", ["reader"], []]);
  assert.deepEqual(settings, { certificates: ["cn:gate", "dns:gate.example"], partner: "p1", manager: "m1", distributor: true, limits: { requests: 5, bytes_in: 70_000 } });
  const row = t.page.getByRole("row", { name: /^gate/ });
  for (const text of ["cn:gate", "distributor", "uses at most: Requests a second 5", "customers assigned to the manager m1 of p1"]) await row.getByText(text).waitFor();
  await t.axe();

  await t.page.getByRole("button", { name: "Edit gate" }).click();
  await save.click();
  await box.getByText("Nothing was changed").waitFor();
  await box.getByLabel("Manager").fill("");
  await box.getByRole("checkbox", { name: /distributor/ }).uncheck();
  await box.getByLabel("Client certificates").fill("");
  for (const limit of ["Requests a second", "Bytes delivered a second"]) await box.getByLabel(limit).fill("");
  await save.click();
  await said(t, "Saved: gate");
  assert.deepEqual(await t.api("principals/gate"), { name: "gate", roles: ["reader"], tenants: [], partner: "p1" });
  await row.getByText("what the relationships of p1 show").waitFor();

  // Who delivers evidence is of no partner.
  await t.page.getByRole("button", { name: "New principal" }).click();
  await box.getByLabel("Name").fill("collector");
  await box.getByRole("checkbox", { name: /^Ingest/ }).check();
  await box.getByLabel("Tenants", { exact: true }).fill("dist");
  await box.getByLabel("Delivers evidence").fill("dist");
  await save.click();
  await t.page.getByRole("row", { name: /^collector/ }).getByText("delivers evidence to dist").waitFor();
  assert.deepEqual((await t.api("principals/collector")).authoritative, ["dist"]);
});

test("a tenant is made authoritative and given to a customer; what the server says stands at its field", english, async (t) => {
  t.allow(/status of 40[01]/);
  await t.page.goto(`${t.url}/access?tz=UTC#token=${t.token}`);
  const part = t.page.getByRole("region", { name: "Authoritative and customers’ tenants" });
  await part.getByLabel("Name of the tenant").fill("dist");
  await t.page.keyboard.press("Enter");
  await part.getByText("No: its events move no relationships").waitFor();
  assert.equal(new URL(t.page.url()).searchParams.get("standing"), "dist");
  await part.getByRole("button", { name: "Change what dist is" }).click();
  const box = dialog(t);
  const save = box.getByRole("button", { name: "Save" });
  await save.click();
  await box.getByText("Nothing was changed").waitFor();
  await box.getByRole("checkbox").check();
  await box.getByText("anybody else is refused").waitFor();
  await box.getByLabel("For the partners").fill("p 1");
  await save.click();
  await faultAt(t, "For the partners").waitFor();
  await t.axe();
  await t.shot("access-forms-tenant");
  await box.getByLabel("For the partners").fill("p2\np1\n");
  await box.getByLabel("Belongs to the customers").fill("c 7");
  await save.click();
  await faultAt(t, "Belongs to the customers").waitFor();
  await box.getByLabel("Belongs to the customers").fill("c7");
  await save.click();
  await said(t, "Saved: the tenant dist");
  await part.getByText("Yes: its events move relationships").waitFor();
  await part.getByRole("listitem").getByText("c7").waitFor();
  const { authoritative, partners, customers } = await t.api("tenants/dist");
  assert.deepEqual({ authoritative, partners, customers }, { authoritative: true, partners: ["p2", "p1"], customers: ["c7"] }, "the first partner stays the first");
  await t.axe();
  // Only what is changed is sent.
  const sent = [];
  t.page.on("request", (request) => request.method() === "PATCH" && sent.push(request.postDataJSON()));
  await part.getByRole("button", { name: "Change what dist is" }).click();
  await box.getByRole("checkbox").uncheck();
  await box.getByText("its events move no relationships, and whoever").waitFor();
  await box.getByLabel("Belongs to the customers").fill("");
  await save.click();
  await part.getByText("No: its events move no relationships").waitFor();
  assert.deepEqual(sent, [{ authoritative: false, customers: [] }]);
  // The address names the tenant; the store's own is none.
  await t.page.reload();
  await part.getByText("No: its events move no relationships").waitFor();
  await part.getByLabel("Name of the tenant").fill("_annals");
  await part.getByRole("button", { name: "Show" }).click();
  await part.getByRole("alert").waitFor();
});
