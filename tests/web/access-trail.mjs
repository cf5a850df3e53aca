// The trail on the screen, and the identities of principals, against the server itself.

import { assert, test } from "./harness.mjs";
import { as, comeAs, person, who } from "./people.mjs";

const options = { own: true, principals: true, data: "empty", seconds: 120 };
const grid = (t) => t.page.getByRole("grid");
const total = (t, count) => t.page.getByText(`命中 ${count.toLocaleString("en")} 条`).or(t.page.getByText(`命中 ${count.toLocaleString("en")}`)).first().waitFor();
const choice = (t, group, name) => t.page.getByRole("group", { name: group }).getByRole("button", { name, exact: true });
const trail = (t, audit, query = "") => t.api(`count?tenant=_annals${query}`, as(audit)).then(({ count }) => count);

/** What leaves records of several kinds. */
async function deeds(t) {
  const reader = await person(t, "rita", { roles: ["reader"], tenants: ["acme"] });
  const audit = await person(t, "audit", { roles: ["audit_administrator"], tenants: [] });
  await t.api("count?tenant=acme", as(reader));
  await t.api("principals", as(reader)).catch(() => {});
  await t.api("count?tenant=acme", as({ token: `${reader.token}x` })).catch(() => {});
  return { reader, audit };
}

test("an audit administrator sees who did what, by kind, principal and outcome", options, async (t) => {
  t.allow(/status of 401/);
  const { audit } = await deeds(t);
  await comeAs(t, audit.token);
  await t.page.waitForURL(/tenant=_annals/);
  await t.page.getByRole("heading", { name: "审计轨迹", level: 1 }).waitFor();
  assert.equal(await t.page.title(), "审计轨迹 · Annals");
  const link = t.page.getByRole("navigation").getByRole("link", { name: "审计轨迹" });
  assert.equal(await link.getAttribute("aria-current"), "page");
  await grid(t).getByText("createPrincipal").first().waitFor();
  // The columns say when, what, who, from where and to what; what was chosen for events does not count here.
  const heads = await grid(t).getByRole("columnheader").allInnerTexts();
  for (const name of ["时间", "事件名称", "操作用户", "源IP", "资源名称"]) assert.ok(heads.some((head) => head.includes(name)), `${name}: ${heads}`);
  await t.axe();
  await t.shot("trail");

  await choice(t, "调用种类", "权限更改").click();
  await t.page.waitForURL(/event_name=createPrincipal/);
  const changes = await trail(t, audit, "&event_name=createPrincipal&event_name=createToken");
  assert.ok(changes >= 4, `${changes}`);
  await total(t, changes);
  assert.equal(await choice(t, "调用种类", "权限更改").getAttribute("aria-pressed"), "true");
  assert.equal(await grid(t).getByText("askQuestion").count(), 0);

  await choice(t, "调用种类", "全部").click();
  await choice(t, "结果", "被拒绝或失败").click();
  await t.page.waitForURL(/level=warning/);
  await grid(t).getByText("refuseCall").first().waitFor();
  await total(t, await trail(t, audit, "&level=warning"));
  await t.page.getByRole("button", { name: /^操作用户: / }).first().click();
  await t.page.getByRole("dialog").getByRole("option", { name: /rita/ }).or(t.page.getByRole("option", { name: /rita/ })).first().click();
  await t.page.keyboard.press("Escape");
  await t.page.waitForURL(/operator=rita/);
  const refused = await trail(t, audit, "&level=warning&operator=rita");
  assert.ok(refused >= 1, `${refused}`);
  await total(t, refused);

  // A question has two records: when it begins, and when it is done. Here each counts once.
  await t.open("/?tenant=_annals&event_name=askQuestion&operator=rita");
  await grid(t).getByText("askQuestion").first().waitFor();
  await t.page.getByRole("button", { name: "每次调用只列一条" }).click();
  await t.page.waitForURL(/code\.not=done/);
  await total(t, await trail(t, audit, "&event_name=askQuestion&operator=rita&code.not=done"));
  // The open record has what was asked.
  await grid(t).focus();
  await t.page.keyboard.press("j");
  await t.page.keyboard.press("Enter");
  await t.page.getByText("GET /api/v1/count").first().waitFor();
  await t.axe();
  await t.page.keyboard.press("Escape");

  // Nothing of a kind: it says so, and what would be there without the condition.
  await t.open("/?tenant=_annals&event_name=exportEvents");
  await t.page.getByText("没有符合条件的事件").waitFor();
  await t.page.getByRole("button", { name: "English" }).or(t.page.getByRole("button", { name: "切换语言" })).or(t.page.locator('button[lang="en"]')).first().click();
  await t.page.getByRole("heading", { name: "Audit trail", level: 1 }).waitFor({ state: "attached" });
  await choice(t, "Kinds of calls", "Exports").waitFor();
  await choice(t, "Outcome", "Refused or failed").waitFor();
  await t.axe();
  await t.shot("trail-empty");
});

test("who may not read the trail is told so, and asks nothing", options, async (t) => {
  t.allow(/status of 401/);
  const auditor = await person(t, "li", { roles: ["auditor"], tenants: ["acme"] });
  await comeAs(t, auditor.token);
  assert.equal(await t.page.getByRole("navigation").getByRole("link", { name: "审计轨迹" }).count(), 0);
  await t.open("/?tenant=_annals");
  await t.page.getByRole("heading", { name: "您不能查看审计轨迹" }).waitFor();
  await t.page.getByRole("link", { name: "查看事件" }).waitFor();
  await t.page.waitForLoadState("networkidle");
  assert.deepEqual(t.trouble(), [], "nothing that is refused was asked");
  await t.axe();
});

test("who reads events and the trail goes from one to the other and back", options, async (t) => {
  t.allow(/status of 401/);
  const both = await person(t, "both", { roles: ["auditor", "audit_administrator"], tenants: ["acme"] });
  await comeAs(t, both.token, "/?tenant=acme&cols=time,code");
  const nav = t.page.getByRole("navigation");
  await nav.getByRole("link", { name: "审计轨迹" }).click();
  await t.page.waitForURL(/tenant=_annals/);
  await t.page.getByRole("group", { name: "调用种类" }).waitFor();
  await nav.getByRole("link", { name: "事件", exact: true }).click();
  await t.page.getByRole("heading", { name: "事件", level: 1, exact: true }).waitFor({ state: "attached" });
  assert.ok(!t.page.url().includes("_annals"), t.page.url());
  assert.equal(await t.page.getByRole("group", { name: "调用种类" }).count(), 0);
});

test("the identities of a principal are shown, changed and taken away", options, async (t) => {
  t.allow(/status of 40[019]/);
  await person(t, "auditors", { roles: ["auditor"], tenants: ["acme"], identities: ["oidc:group:auditors"] });
  await person(t, "other", { roles: ["auditor"], tenants: ["acme"], identities: ["oidc:sub:42"] });
  const settings = () => t.api("principals/auditors");
  await comeAs(t, t.token, "/access");
  await t.page.getByText("oidc:group:auditors").waitFor();
  const box = t.page.getByRole("dialog");
  const field = box.getByLabel("身份提供方的身份");
  const save = box.getByRole("button", { name: "保存" });
  const edit = () => t.page.getByRole("button", { name: "编辑 auditors" }).click();
  await edit();
  assert.equal(await field.inputValue(), "oidc:group:auditors");
  await save.click();
  await box.getByText("没有更改").waitFor();
  for (const wrong of ["group:auditors", "oidc:sub:42"]) {
    await field.fill(wrong);
    await save.click();
    await box.locator(".field", { has: t.page.getByLabel("身份提供方的身份") }).locator("[data-fault]").waitFor();
  }
  await t.axe();
  await t.shot("identities");
  await field.fill("oidc:email:li@example.com\n\n  oidc:group:auditors of the firm \noidc:email:li@example.com");
  await save.click();
  await t.page.locator("[data-said]").getByText("已保存：auditors").waitFor();
  assert.deepEqual((await settings()).identities, ["oidc:email:li@example.com", "oidc:group:auditors of the firm"]);
  await t.page.getByText("oidc:email:li@example.com").waitFor();
  await edit();
  await field.fill("");
  await save.click();
  await t.page.getByText("oidc:email:li@example.com").waitFor({ state: "detached" });
  assert.equal((await settings()).identities, undefined);
  await who(t).waitFor();
});
