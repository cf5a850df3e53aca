// Signing in, administering access and seeing only a part, against the server itself.

import { assert, test } from "./harness.mjs";
import { as, person, who } from "./people.mjs";

const token = (t) => t.page.getByLabel("访问令牌");
const dialog = (t) => t.page.getByRole("dialog");
const rows = (t) => t.page.getByRole("grid").locator('[role="row"]').nth(1).waitFor();
/** Asks again, unless the page has asked by itself and a dialog is there already. */
const query = (t) => t.page.getByRole("button", { name: "查询", exact: true, includeHidden: true }).evaluate((button) => button.click());
const quiet = (t) => t.allow(/status of 40[013]/);

async function signIn(t, text) {
  await token(t).fill(text);
  await token(t).press("Enter");
}

test("an administrator comes by a link, makes an auditor of a part, and the auditor sees that part", { own: true, principals: true, seconds: 180 }, async (t) => {
  quiet(t);
  const { tenants } = await t.api("tenants");
  const tenant = tenants.find((one) => one.tenant !== "_annals").tenant;
  await t.page.goto(`${t.url}/#token=${t.token}`);
  await t.page.getByRole("heading", { name: "您不能查看事件" }).waitFor();
  assert.ok(!t.page.url().includes("token"));
  assert.match(await who(t).innerText(), /admin/);
  const cookies = await t.context.cookies();
  assert.ok(cookies.length === 1 && cookies[0].httpOnly && cookies[0].sameSite === "Strict", JSON.stringify(cookies));
  assert.equal(await t.page.evaluate(() => document.cookie), "");

  await t.page.getByRole("link", { name: "管理访问权限" }).click();
  await t.page.getByRole("button", { name: "新建身份" }).click();
  const box = dialog(t);
  const save = box.getByRole("button", { name: "保存" });
  await box.getByLabel("名称").fill("audit firm");
  await box.getByRole("checkbox", { name: /^审计员/ }).check();
  await save.click();
  await box.locator(".field", { has: t.page.getByLabel("名称") }).locator("[data-fault]").waitFor();
  await box.getByLabel("名称").fill("audit-firm");
  await save.click();
  await box.locator(".field", { has: t.page.getByLabel("租户", { exact: true }) }).locator("[data-fault]").waitFor();
  await box.getByLabel("租户", { exact: true }).fill(tenant);
  await box.getByLabel("只看符合这些条件的事件").fill("level.not=normal");
  await box.getByRole("button", { name: "添加字段" }).click();
  await box.getByLabel("方式", { exact: true }).selectOption("hash");
  await box.getByRole("checkbox", { name: /^安全管理员/ }).check();
  await save.click();
  // Roles that must stay apart are the server's to name.
  await box.getByRole("group", { name: "角色" }).locator("[data-fault]").waitFor();
  await box.getByRole("checkbox", { name: /^安全管理员/ }).uncheck();
  await save.click();
  await t.page.locator("[data-said]").getByText("已新建：audit-firm").waitFor();

  await t.page.getByRole("button", { name: "查看 audit-firm 的令牌" }).click();
  await t.page.getByRole("button", { name: "创建令牌" }).click();
  await box.getByLabel("有效期").selectOption("7d");
  await box.getByRole("button", { name: "创建令牌" }).click();
  const made = { token: await box.locator("[data-token]").inputValue() };
  assert.match(made.token, /^annals_/);
  await box.getByRole("button", { name: "复制令牌" }).click();
  await box.getByText("已复制").waitFor();
  await box.getByRole("button", { name: "关闭" }).last().click();
  // Saved again as it is, nothing changes: what the page reads of a principal is what it writes.
  await t.page.getByRole("button", { name: "编辑 audit-firm" }).click();
  await save.click();
  await box.getByText("没有更改").waitFor();
  await t.page.keyboard.press("Escape");
  await t.axe();
  await t.shot("access-server-page");

  await who(t).click();
  await t.page.getByRole("button", { name: "退出登录" }).click();
  await t.page.getByText("已退出").waitFor();
  assert.deepEqual(await t.context.cookies(), []);
  await signIn(t, made.token);
  await rows(t);
  const { count } = await t.api("count?tenant=*", as(made));
  assert.ok(count > 0);
  await t.page.getByText(`命中 ${count.toLocaleString("en")}`).waitFor();
  assert.equal((await t.api("count?tenant=*&level=normal", as(made))).count, 0);
  await who(t).click();
  await t.page.getByText("事件级别 ≠ 正常").waitFor();
  await t.page.getByText("源IP：以哈希代替").waitFor();
  await t.page.keyboard.press("Escape");
  assert.equal(await t.page.getByRole("searchbox").count(), 0);
  await t.page.locator('[title="已遮盖：以哈希代替"]').first().waitFor();
  await t.page.getByRole("grid").focus();
  await t.page.keyboard.press("j");
  await t.page.keyboard.press("Enter");
  await t.page.locator("dl").locator('[title="已遮盖：以哈希代替"]').waitFor();
  await t.page.getByRole("tab", { name: "原文" }).first().click();
  await t.page.locator("[data-no-record]").waitFor();
  await t.axe();
  await t.shot("access-server-part");
});

test("a session that an administrator ends, a token that is withdrawn, and one that is mistyped are said in words", { own: true, principals: true, data: "empty" }, async (t) => {
  quiet(t);
  const made = await person(t, "li", { roles: ["auditor"], tenants: ["acme"] });
  await t.open("/?tenant=*&last=7d");
  await signIn(t, `${made.token.slice(0, -1)}_`);
  await t.page.getByRole("alert").getByText("未能登录").waitFor();
  const mistyped = await t.page.getByRole("alert").innerText();
  await signIn(t, made.token);
  await who(t).waitFor();
  const { sessions } = await t.api("sessions");
  assert.equal(sessions.length, 1);
  await t.api(`sessions/${sessions[0].id}`, { method: "DELETE" });
  await query(t);
  await dialog(t).getByText("此前的身份：li").waitFor();
  await signIn(t, made.token);
  await dialog(t).waitFor({ state: "detached" });
  await t.page.getByText("没有符合条件的事件").waitFor();
  await t.api(`principals/li/tokens/${made.id}`, { method: "DELETE" });
  await query(t);
  await dialog(t).waitFor();
  await signIn(t, made.token);
  await dialog(t).getByRole("alert").waitFor();
  assert.notEqual(await dialog(t).getByRole("alert").innerText(), mistyped, "withdrawn is not mistyped");
});

test("each role gets its pages without one refused question", { own: true, principals: true, seconds: 240 }, async (t) => {
  t.allow(/status of 401/);
  const { tenants } = await t.api("tenants");
  const tenant = tenants.find((one) => one.tenant !== "_annals").tenant;
  for (const [role, paths] of [
    ["reader", ["/?tenant=*", "/dashboards?tenant=*"]], ["auditor", ["/?tenant=*", "/store?tenant=*"]], ["tenant_administrator", ["/store?tenant=*"]],
    ["system_administrator", ["/", "/store?tenant=*"]], ["security_administrator", ["/", "/access"]], ["audit_administrator", ["/"]], ["ingest", ["/"]],
  ]) {
    const made = await person(t, role, { roles: [role], tenants: role.match(/system|security|audit_/) ? [] : [tenant] });
    await t.context.clearCookies();
    await t.page.goto("about:blank");
    await t.page.goto(`${t.url}/#token=${made.token}`);
    await who(t).waitFor();
    for (const path of paths) {
      await t.open(path);
      await who(t).waitFor();
      await t.page.waitForLoadState("networkidle");
      assert.deepEqual(t.trouble(), [], `${role} ${path}`);
      await t.shot(`access-server-${role}-${paths.indexOf(path)}`);
    }
  }
});

test("a masked principal gets pages without one refused question", { own: true, principals: true, seconds: 120 }, async (t) => {
  t.allow(/status of 401/);
  const { tenants } = await t.api("tenants");
  const tenant = tenants.find((one) => one.tenant !== "_annals").tenant;
  const made = await person(t, "part", { roles: ["auditor"], tenants: [tenant], masks: { source_ip: "hide", operator: "last4" } });
  await t.page.goto(`${t.url}/#token=${made.token}`);
  await who(t).waitFor();
  for (const path of ["/?tenant=*", "/dashboards?tenant=*"]) {
    await t.open(path);
    await t.page.waitForLoadState("networkidle");
    assert.deepEqual(t.trouble(), [], path);
  }
  await t.open("/?tenant=*");
  await rows(t);
  await t.page.getByRole("grid").focus();
  await t.page.keyboard.press("j");
  await t.page.keyboard.press("Enter");
  for (const tab of await t.page.getByRole("tab").all()) {
    await tab.click();
    await t.page.waitForLoadState("networkidle");
  }
  assert.deepEqual(t.trouble(), []);
});
