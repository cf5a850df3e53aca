// Signing in and out, what one is told of oneself, and the page of access. The calls of access control are a stand-in's
// (access-stub.mjs); everything else is the real server's.

import { standIn, PEOPLE } from "./access-stub.mjs";
import { assert, test } from "./harness.mjs";

const token = (t) => t.page.getByLabel("访问令牌");
const submit = (t) => t.page.getByRole("button", { name: "登录", exact: true });
const who = (t) => t.page.getByRole("button", { name: /当前身份/ });
const dialog = (t) => t.page.getByRole("dialog");
const head = (t, name) => t.page.getByRole("navigation", { name: "主导航" }).getByRole("link", { name });
const sent = (stub, method, path) => stub.asked.filter((one) => one.method === method && one.path === path);
/** The scroll, the focus and whatever is loaded settle when the list has rows. */
const rows = (t) => t.page.getByRole("grid").locator('[role="row"]').nth(1).waitFor();

async function signIn(t, text) {
  await token(t).fill(text);
  await token(t).press("Enter");
}

for (const colorScheme of ["light", "dark"]) {
  test(`signing in is accessible: ${colorScheme}`, { data: "empty", colorScheme }, async (t) => {
    await standIn(t);
    await t.open("/");
    await token(t).waitFor();
    await t.axe();
    await signIn(t, "annals_old");
    await t.page.getByRole("alert").waitFor();
    await t.axe();
    await t.shot(`access-sign-in-${colorScheme}`);
  });

  test(`the page of access is accessible, with its dialogs: ${colorScheme}`, { data: "empty", colorScheme }, async (t) => {
    await standIn(t, "sec");
    await t.open("/access?principal=alice");
    await t.page.getByText("laptop").waitFor();
    await t.page.getByText("10.0.0.9").waitFor();
    await t.axe();
    await t.shot(`access-page-${colorScheme}`);
    await t.page.getByRole("button", { name: "编辑 part" }).click();
    await dialog(t).getByLabel("从", { exact: true }).waitFor();
    await t.axe();
    await t.shot(`access-edit-${colorScheme}`);
    await t.page.keyboard.press("Escape");
    await t.page.getByRole("button", { name: "创建令牌" }).click();
    await dialog(t).getByRole("button", { name: "创建令牌" }).click();
    await dialog(t).locator("[data-token]").waitFor();
    await t.axe();
    await t.shot(`access-token-${colorScheme}`);
    await dialog(t).getByRole("button", { name: "复制令牌" }).click();
    await dialog(t).getByText("已复制").waitFor();
    await t.page.keyboard.press("Escape");
    await who(t).click();
    await t.page.getByRole("button", { name: "退出登录" }).waitFor();
    await t.axe();
  });
}

test("nobody sees a page before signing in, and one is then where one wanted to be", async (t) => {
  const stub = await standIn(t);
  await t.open("/?tenant=*&last=7d&tz=UTC");
  await token(t).waitFor();
  assert.equal(await t.page.evaluate(() => document.activeElement?.getAttribute("name")), "token", "the field has the focus");
  assert.equal(await t.page.getByRole("navigation").count(), 0);
  assert.deepEqual(stub.asked.map((one) => one.path), ["/api/v1/me", "/auth/methods"], "nothing else is asked");
  assert.equal(await token(t).getAttribute("type"), "password");
  await t.page.getByRole("button", { name: "显示令牌" }).click();
  assert.equal(await token(t).getAttribute("type"), "text");
  await t.page.getByRole("button", { name: "隐藏令牌" }).click();
  await token(t).focus();
  await t.page.keyboard.press("Enter");
  await t.page.getByRole("alert").getByText("请输入或粘贴访问令牌").waitFor();
  assert.equal(sent(stub, "POST", "/auth/login").length, 0);
  for (const [wrong, why] of [["annals_old", "expired on 2026-11-01"], ["nonsense", "mistyped, or withdrawn"]]) {
    await signIn(t, wrong);
    await t.page.getByRole("alert").getByText(why).waitFor();
  }
  await signIn(t, "  annals_alice\t");
  await rows(t);
  assert.equal(sent(stub, "POST", "/auth/login").at(-1).body.token, "annals_alice");
  const at = new URL(t.page.url());
  assert.equal(at.pathname + at.search, "/?tenant=*&last=7d&tz=UTC");
  assert.match(await who(t).innerText(), /alice/);
});

test("an address cannot send one elsewhere after signing in", { data: "empty" }, async (t) => {
  await standIn(t);
  await t.open("/?next=https://evil.example&return=//evil.example&tenant=*");
  await signIn(t, "annals_alice");
  await who(t).waitFor();
  assert.equal(new URL(t.page.url()).origin, new URL(t.url).origin);
  await t.page.getByRole("button", { name: /next = / }).first().waitFor();
});

test("a token in the fragment signs in at once and is nowhere after", { data: "empty" }, async (t) => {
  const stub = await standIn(t);
  // What this browser chose before is written into the address, and must not take the fragment away unread.
  await t.context.addInitScript(() => localStorage.setItem("annals.zone", JSON.stringify("UTC")));
  await t.page.goto(`${t.url}/?tenant=*#token=annals_alice`);
  await who(t).waitFor();
  assert.equal(await t.page.evaluate(() => location.hash + document.documentElement.outerHTML.includes("annals_alice")), "false");
  assert.ok(!t.page.url().includes("token"));
  assert.ok(stub.asked.every((one) => !one.path.includes("annals_")));
  assert.equal(await t.page.evaluate(() => JSON.stringify([localStorage, sessionStorage, history.state]).includes("annals_alice")), false);
  // Going on and back does not bring it back.
  await head(t, "仪表盘").click();
  await t.page.getByRole("heading", { name: "仪表盘", level: 1 }).waitFor();
  await t.page.goBack();
  assert.ok(!t.page.url().includes("token"));
});

test("a wrong token in the fragment is taken out and the reason is said", { data: "empty" }, async (t) => {
  await standIn(t);
  await t.page.goto(`${t.url}/#token=annals_old`);
  await t.page.getByRole("alert").getByText("expired on 2026-11-01").waitFor();
  assert.ok(!t.page.url().includes("token"));
});

test("a link with a token does not change who one is without asking", { data: "empty" }, async (t) => {
  const stub = await standIn(t, "alice");
  await t.page.goto(`${t.url}/?tenant=*#token=annals_sec`);
  await dialog(t).getByText("您已登录为 alice").waitFor();
  await t.axe();
  assert.equal(sent(stub, "POST", "/auth/login").length, 0);
  await dialog(t).getByRole("button", { name: "保持 alice" }).click();
  assert.match(await who(t).innerText(), /alice/);
  // The same link again, in the open page; and now it is wanted.
  await t.page.evaluate(() => { location.hash = "token=annals_sec"; });
  await dialog(t).getByRole("button", { name: "用链接中的令牌登录" }).click();
  await t.page.getByText("您不能查看事件").waitFor();
  assert.match(await who(t).innerText(), /sec/);
  assert.ok(!t.page.url().includes("token"));
});

test("signing out leads to signing in, and nothing of the page is left", async (t) => {
  const stub = await standIn(t, "alice");
  await t.open("/?tenant=*&last=7d&operator=zhao.jie");
  await who(t).click();
  await t.page.getByRole("button", { name: "退出登录" }).click();
  await t.page.getByText("已退出").waitFor();
  assert.equal(stub.as, null);
  assert.equal(new URL(t.page.url()).pathname + new URL(t.page.url()).search, "/");
  assert.equal(await t.page.getByRole("grid").count(), 0);
  assert.equal(await t.page.evaluate(() => document.activeElement?.getAttribute("name")), "token");
});

test("another tab notices at its next call", async (t) => {
  const stub = await standIn(t, "alice");
  await t.open("/?tenant=*&last=7d");
  await rows(t);
  const other = await t.context.newPage();
  await t.open("/?tenant=*", other);
  await other.getByRole("button", { name: /当前身份/ }).click();
  await other.getByRole("button", { name: "退出登录" }).click();
  await other.getByText("已退出").waitFor();
  assert.equal(stub.as, null);
  await other.close();
  await t.page.getByRole("button", { name: "查询", exact: true }).click();
  await dialog(t).getByText("会话已结束").first().waitFor();
});

test("a session that ends keeps what was typed, and what was asked goes on after signing in", { data: "empty" }, async (t) => {
  const stub = await standIn(t, "sec");
  await t.open("/access?tz=UTC");
  await t.page.getByRole("button", { name: "新建身份" }).click();
  await dialog(t).getByLabel("名称").fill("dora");
  await dialog(t).getByRole("checkbox", { name: /^读者/ }).check();
  await dialog(t).getByLabel("租户", { exact: true }).fill("acme");
  stub.as = null;
  await dialog(t).getByRole("button", { name: "保存" }).click();
  const again = t.page.getByRole("dialog", { name: "会话已结束" });
  await again.waitFor();
  await again.getByText("此前的身份：sec").waitFor();
  await t.axe();
  await t.shot("access-ended");
  // Putting it off leaves everything in its place, and says what that means.
  await again.getByRole("button", { name: "稍后再说" }).click();
  await again.waitFor({ state: "detached" });
  assert.equal(await dialog(t).getByLabel("名称").inputValue(), "dora");
  await dialog(t).getByText("会话已结束。").waitFor();
  await t.page.locator("[data-ended]").waitFor();
  await t.page.keyboard.press("Escape");
  await t.page.locator("[data-ended]").getByRole("button", { name: "登录" }).click();
  await signIn(t, "annals_old");
  await again.getByText("expired on 2026-11-01").waitFor();
  await signIn(t, "annals_sec");
  await again.waitFor({ state: "detached" });
  assert.equal(await t.page.locator("[data-ended]").count(), 0);
  // Whoever tries to save again is asked again, and then what was to be saved is.
  await t.page.getByRole("button", { name: "新建身份" }).click();
  await dialog(t).getByLabel("名称").fill("dora");
  await dialog(t).getByRole("checkbox", { name: /^读者/ }).check();
  stub.as = null;
  await dialog(t).getByRole("button", { name: "保存" }).click();
  await again.getByRole("button", { name: "稍后再说" }).click();
  await dialog(t).getByText("会话已结束。").waitFor();
  await dialog(t).getByRole("button", { name: "保存" }).click();
  await again.waitFor();
  await signIn(t, "annals_sec");
  await t.page.locator("[data-said]").getByText("已新建：dora").waitFor();
  assert.ok(stub.principals.some((one) => one.name === "dora"));
  assert.equal(new URL(t.page.url()).search, "?tz=UTC");
});

test("who signs in as another one after the end gets the page anew", { data: "empty" }, async (t) => {
  const stub = await standIn(t, "sec");
  await t.open("/access");
  await t.page.getByText("10.0.0.9").waitFor();
  stub.as = null;
  await t.page.getByRole("region", { name: "会话" }).getByRole("button", { name: "刷新" }).click();
  await dialog(t).waitFor();
  const loaded = t.page.waitForEvent("load");
  await signIn(t, "annals_alice");
  await loaded;
  await t.page.getByText("您不能管理访问权限").waitFor();
  assert.equal(await t.page.getByText("10.0.0.9").count(), 0);
});

test("what was refused while signing in was put off is asked again after it", async (t) => {
  const stub = await standIn(t, "alice");
  await t.open("/?tenant=*&last=7d");
  await rows(t);
  stub.as = null;
  await t.page.getByRole("button", { name: "查询", exact: true }).click();
  await dialog(t).getByRole("button", { name: "稍后再说" }).click();
  const banner = t.page.locator("[data-ended]");
  await banner.waitFor();
  await t.page.locator("[data-away]").first().waitFor();
  // Said once, by the banner: what the list said of it goes as soon as the banner has it.
  await t.page.getByText("会话已结束。条件已保留").waitFor({ state: "detached" });
  await rows(t);
  await t.axe();
  await banner.getByRole("button", { name: "登录" }).click();
  await signIn(t, "annals_alice");
  await banner.waitFor({ state: "detached" });
  await t.page.locator("[data-away]").first().waitFor({ state: "detached" });
  await rows(t);
});

test("signing out forgets whose events were looked at", { data: "empty" }, async (t) => {
  await standIn(t, "alice");
  await t.open("/");
  await t.page.evaluate(() => localStorage.setItem("annals.tenant", JSON.stringify("secret-customer")));
  await who(t).click();
  await t.page.getByRole("button", { name: "退出登录" }).click();
  await t.page.getByText("已退出").waitFor();
  await signIn(t, "annals_alice");
  await who(t).waitFor();
  assert.ok(!t.page.url().includes("secret-customer"));
});

for (const width of [390, 1024]) {
  test(`the head and the page of access have room at ${width} px`, { data: "empty", viewport: { width, height: 800 } }, async (t) => {
    await standIn(t, "sec");
    await t.open("/access?principal=part");
    await t.page.getByText("10.0.0.9").waitFor();
    const wide = () => t.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(await wide() <= 0, "nothing scrolls sideways");
    await t.shot(`access-narrow-${width}`);
    await t.page.getByRole("button", { name: "编辑 part" }).click();
    await dialog(t).waitFor();
    await t.shot(`access-narrow-edit-${width}`);
    assert.ok(await wide() <= 0);
    await t.axe();
  });
}

test("a server that asks nobody says so and has no way out", { data: "empty" }, async (t) => {
  await t.context.route("**/api/v1/me", (route) => route.fulfill({ json: { name: "operator", roles: ["auditor"], tenants: ["*"], credentials: false } }));
  await t.context.route(/\/api\/v1\/(principals|sessions)$/, (route) => route.fulfill({ json: { principals: [], sessions: [] } }));
  await t.open("/");
  const said = t.page.getByRole("button", { name: "无需登录：本机所有调用者都是管理员" });
  await said.click();
  await t.page.getByRole("dialog").getByText("无需登录：本机所有调用者都是管理员").waitFor();
  assert.equal(await t.page.getByRole("button", { name: "退出登录" }).count(), 0);
  await t.page.keyboard.press("Escape");
  await head(t, "访问权限").click();
  await t.page.getByText("还没有身份。").waitFor();
  await t.page.getByText("现在没有人登录。").waitFor();
  await t.axe();
});

test("a server that does not say who one is still shows the page, and says that it does not know", { data: "empty" }, async (t) => {
  await t.context.route("**/api/v1/me", (route) => route.fulfill({ status: 500, json: { detail: "broken" } }));
  t.allow(/status of 500/);
  await t.open("/");
  await t.page.getByText("身份未知").waitFor({ state: "attached" });
  await t.page.getByRole("region", { name: "事件列表" }).waitFor();
});

for (const [name, own, not, path, title] of [
  ["sec", "访问权限", ["事件", "仪表盘", "存储"], "/?tenant=*", "您不能查看事件"],
  ["sys", "存储", ["事件", "访问权限"], "/dashboards", "您不能查看事件"],
  ["rita", "事件", ["访问权限", "存储"], "/store", "您不能查看存储状态"],
  ["alice", "存储", ["访问权限"], "/access", "您不能管理访问权限"],
  ["pump", null, ["事件", "访问权限", "存储"], "/", "您不能查看事件"],
]) {
  test(`who may not see a page is told so, and led on: ${name}`, { data: "empty" }, async (t) => {
    const stub = await standIn(t, name);
    await t.open(path);
    await t.page.getByText(title).last().waitFor();
    await t.page.getByText("请联系安全管理员").waitFor();
    for (const word of not) assert.equal(await head(t, word).count(), 0, word);
    if (own !== null) await head(t, own).waitFor();
    assert.deepEqual(stub.refused, [], "what would be refused is not asked");
    await t.axe();
    await t.shot(`access-forbidden-${name}`);
  });
}

for (const [name, there, not] of [
  ["sys", ["接收", "保留期", "法律保全", "备份"], ["隔离区", "操作记录"]],
  ["alice", ["隔离区", "保留期", "法律保全"], ["接收", "备份", "操作记录"]],
]) {
  test(`the store has what the roles permit: ${name}`, { data: "empty" }, async (t) => {
    const stub = await standIn(t, name);
    await t.open("/store?tenant=*");
    const block = (word) => t.page.getByRole("region", { name: new RegExp(`^${word}`) });
    for (const word of there) await block(word).first().waitFor();
    for (const word of not) assert.equal(await block(word).count(), 0, word);
    const setting = t.page.getByRole("button", { name: "为租户设定" });
    // It comes with the answer of its block.
    if (name === "sys") await setting.waitFor();
    else assert.equal(await setting.count(), 0);
    assert.deepEqual(stub.refused, [], "what would be refused is not asked");
    await t.axe();
    await t.shot(`access-store-${name}`);
  });
}

test("who only reads is not offered an export", async (t) => {
  const stub = await standIn(t, "rita");
  await t.open("/?tenant=*");
  await rows(t);
  assert.equal(await t.page.getByRole("button", { name: /^导出/ }).count(), 0);
  assert.deepEqual(stub.refused, []);
});

test("who reads only the trail comes to the trail", { data: "empty" }, async (t) => {
  const stub = await standIn(t, "trail");
  await t.open("/");
  await t.page.waitForURL(/tenant=_annals/);
  await t.page.getByRole("region", { name: "事件列表" }).waitFor();
  await head(t, "审计轨迹").waitFor();
  assert.equal(await head(t, "事件").count(), 0);
  assert.ok(stub.asked.some((one) => one.path === "/api/v1/events"));
  assert.deepEqual(stub.refused, []);
});

test("who sees a part is told which, and is not offered what is masked", { seconds: 90 }, async (t) => {
  const stub = await standIn(t, "part");
  await t.open("/?tenant=*&cols=time,source_ip,operator,access_key_id&tz=UTC");
  await rows(t);
  assert.match(await who(t).innerText(), /仅部分/);
  await who(t).click();
  const panel = t.page.getByRole("dialog", { name: /当前身份/ });
  for (const word of ["读者", "acme", "事件来源 = ECS", "源IP：只留末四位", "访问密钥ID：不显示", "2026-01-01 00:00"]) await panel.getByText(word).first().waitFor();
  await t.axe({ within: "[popover]" });
  await t.shot("access-part");
  await t.page.keyboard.press("Escape");
  assert.equal(await t.page.getByRole("searchbox").count(), 0);
  await t.page.locator("[data-no-text]").getByText("源IP、访问密钥ID").waitFor();
  assert.ok(await t.page.locator('[title="已遮盖：只留末四位"]').count() > 0);
  await t.page.locator('[title="已遮盖：不显示"]').first().waitFor();
  assert.equal(await t.page.getByRole("complementary").getByRole("region", { name: "源IP" }).count(), 0);
  const fields = await t.page.waitForRequest((request) => request.url().includes("/facets?"), { timeout: 1 }).then((request) => request.url(), () => null);
  assert.ok(fields === null || !fields.includes("source_ip"));
  await t.page.getByRole("button", { name: /^筛选类型/ }).click();
  await t.page.getByRole("option", { name: /请求ID/ }).waitFor();
  assert.equal(await t.page.getByRole("option", { name: /源IP/ }).count(), 0);
  await t.page.keyboard.press("Escape");
  assert.ok(!stub.asked.some((one) => one.path === "/api/v1/status"));
  // The same of one event.
  await t.page.getByRole("grid").focus();
  await t.page.keyboard.press("j");
  await t.page.keyboard.press("Enter");
  await t.page.locator("dl").locator('[title="已遮盖：只留末四位"]').waitFor();
  await t.page.getByRole("button", { name: /仅.*event_name/ }).waitFor();
  assert.equal(await t.page.getByRole("button", { name: /仅.*source_ip/ }).count(), 0);
});

test("a principal is made, changed and removed; what the server says stands at its field", { data: "empty", locale: "en-US", timezoneId: "UTC" }, async (t) => {
  const stub = await standIn(t, "sec");
  await t.open("/access?tz=UTC");
  await t.page.getByRole("button", { name: "New principal" }).click();
  const box = dialog(t);
  const save = box.getByRole("button", { name: "Save" });
  await save.click();
  await box.getByText("It needs a name").waitFor();
  assert.equal(await box.getByLabel("Name").getAttribute("aria-invalid"), "true");
  await box.getByLabel("Name").fill("do ra");
  await save.click();
  await box.getByText("Choose at least one role").waitFor();
  await box.getByRole("checkbox", { name: /^Auditor/ }).check();
  await save.click();
  await box.getByText("a name has no white space").waitFor();
  assert.equal(await t.page.evaluate(() => document.activeElement === document.querySelector("dialog input[aria-invalid=true]")), true, "the field has the focus");
  await box.getByLabel("Name").fill("alice");
  await save.click();
  await box.getByText("there is a principal of this name").waitFor();
  await box.getByLabel("Name").fill("dora");
  await box.getByLabel("Tenants", { exact: true }).fill("!");
  await save.click();
  await box.getByText("there cannot be a tenant !").waitFor();
  await box.getByLabel("Tenants", { exact: true }).fill("acme, beta");
  await box.getByLabel("Only events with these conditions").fill("no_such=1");
  await box.getByText("Not understood: no_such").waitFor();
  await box.getByLabel("Only events with these conditions").fill("source=ECS\nsource=OBS");
  await box.getByRole("button", { name: "Add a field" }).click();
  await box.getByLabel("How", { exact: true }).selectOption("hash");
  await box.getByLabel("From").fill("2026-06-01 08:00");
  await box.getByText("= 2026-06-01 08:00:00").waitFor();
  await save.click();
  await t.page.locator("[data-said]").getByText("Created: dora").waitFor();
  assert.deepEqual(sent(stub, "POST", "/api/v1/principals").at(-1).body, {
    name: "dora", roles: ["auditor"], tenants: ["acme", "beta"], rows: { source: ["ECS", "OBS"] }, masks: { source_ip: "hash" }, from: "2026-06-01T08:00:00.000Z",
  });
  // Unchanged, it sends nothing; then only what was changed, and null for what was taken away.
  await t.page.getByRole("button", { name: "Edit dora" }).click();
  await save.click();
  await box.getByText("Nothing was changed").waitFor();
  assert.equal(sent(stub, "PATCH", "/api/v1/principals/dora").length, 0);
  await box.getByRole("button", { name: /^Do not mask/ }).click();
  await box.getByLabel("Tenants", { exact: true }).fill("*");
  await save.click();
  await t.page.locator("[data-said]").getByText("Saved: dora").waitFor();
  assert.deepEqual(sent(stub, "PATCH", "/api/v1/principals/dora").map((one) => one.body), [{ tenants: ["*"], masks: null }]);
  // Removing asks for the name.
  await t.page.getByRole("button", { name: "Remove dora" }).click();
  const remove = box.getByRole("button", { name: "Remove", exact: true });
  assert.ok(await remove.isDisabled());
  await box.getByLabel(/Type the name/).fill("dor");
  assert.ok(await remove.isDisabled());
  await box.getByLabel(/Type the name/).fill("dora");
  await remove.click();
  await t.page.locator("[data-said]").getByText("Removed: dora").waitFor();
  assert.ok(!stub.principals.some((one) => one.name === "dora"));
  assert.ok(await t.page.getByRole("button", { name: "Remove sec" }).isDisabled(), "not oneself");
  stub.fail = (method) => (method === "DELETE" ? { status: 400, detail: "the last security administrator stays" } : null);
  await t.page.getByRole("button", { name: "Remove alice" }).click();
  await box.getByLabel(/Type the name/).fill("alice");
  await t.page.keyboard.press("Enter");
  await box.getByText("the last security administrator stays").waitFor();
});

test("a principal is disabled and enabled, and shown as disabled until then", { data: "empty", locale: "en-US", timezoneId: "UTC" }, async (t) => {
  const stub = await standIn(t, "sec");
  await t.open("/access?tz=UTC");
  const row = t.page.getByRole("row", { name: /^alice/ });
  await row.getByRole("button", { name: "Disable alice" }).click();
  await dialog(t).getByText("are not accepted from now on").waitFor();
  assert.equal(sent(stub, "PATCH", "/api/v1/principals/alice").length, 0);
  await dialog(t).getByRole("button", { name: "Disable", exact: true }).click();
  await t.page.locator("[data-said]").getByText("Disabled: alice").waitFor();
  await row.getByText("disabled", { exact: true }).waitFor();
  await t.axe();
  await row.getByRole("button", { name: "Enable alice" }).click();
  await dialog(t).getByRole("button", { name: "Enable", exact: true }).click();
  await t.page.locator("[data-said]").getByText("Enabled: alice").waitFor();
  await row.getByText("disabled", { exact: true }).waitFor({ state: "detached" });
  assert.deepEqual(sent(stub, "PATCH", "/api/v1/principals/alice").map((one) => one.body), [{ disabled: true }, { disabled: false }]);
  assert.ok(await t.page.getByRole("button", { name: "Disable sec" }).isDisabled(), "not oneself");
});

test("a token is shown once, and revoked after a question", { data: "empty" }, async (t) => {
  const stub = await standIn(t, "sec");
  await t.open("/access?tz=UTC");
  await t.page.getByRole("button", { name: "查看 part 的令牌" }).click();
  assert.equal(new URL(t.page.url()).searchParams.get("principal"), "part");
  await t.page.getByText("没有令牌：还不能登录。").waitFor();
  await t.page.getByRole("button", { name: "创建令牌" }).click();
  const box = dialog(t);
  await box.getByLabel("有效期").selectOption("other");
  await box.getByLabel("时长").fill("soon");
  await box.getByLabel("备注").fill("<b>ci</b>");
  await box.getByRole("button", { name: "创建令牌" }).click();
  await box.getByText("a span is a number and h or d").waitFor();
  await box.getByLabel("有效期").selectOption("never");
  await box.getByText("直到被吊销前都可使用").waitFor();
  await box.getByRole("button", { name: "创建令牌" }).click();
  const shown = box.locator("[data-token]");
  await shown.waitFor();
  assert.deepEqual(sent(stub, "POST", "/api/v1/principals/part/tokens").at(-1).body, { expires_in: "never", note: "<b>ci</b>" });
  const text = await shown.inputValue();
  // Closing by mistake is warned of once.
  await t.page.keyboard.press("Escape");
  await box.getByText("再次关闭将丢失这个令牌").waitFor();
  await box.getByRole("button", { name: "复制令牌" }).click();
  await box.getByText("已复制").waitFor();
  assert.equal(await t.page.evaluate(() => navigator.clipboard.readText()), text);
  await box.getByRole("button", { name: "关闭" }).last().click();
  await box.waitFor({ state: "detached" });
  assert.equal(await t.page.evaluate((made) => document.documentElement.outerHTML.includes(made), text), false, "it is gone");
  const row = t.page.getByRole("region", { name: "part 的令牌" }).locator("tbody tr");
  await row.getByText("<b>ci</b>").waitFor();
  await row.getByText("不过期").waitFor();
  await row.getByRole("button", { name: /^吊销令牌/ }).click();
  await box.getByText("立即失效").waitFor();
  await box.getByRole("button", { name: "吊销", exact: true }).click();
  await t.page.getByText("没有令牌：还不能登录。").waitFor();
  assert.deepEqual(stub.tokens.part, []);
});

test("more relationships than the server gives at once are loaded on demand, and what waits comes first", { data: "empty", locale: "en-US" }, async (t) => {
  const stub = await standIn(t, "sec");
  stub.page = 2;
  await t.open("/access?tz=UTC");
  const part = t.page.getByRole("region", { name: "Relationships" });
  const ids = () => part.locator("[data-relationship]").evaluateAll((rows) => rows.map((row) => row.dataset.relationship));
  await part.getByText("2 are loaded and there are more").waitFor();
  assert.deepEqual(await ids(), ["rel-000002", "rel-000001"]);
  await part.getByText("waiting: since 2026-04-01 00:00").waitFor();
  await part.getByText("missing: budget deleted").waitFor();
  await part.getByText("1 contradict").waitFor();
  await t.axe();
  await part.getByRole("button", { name: "Load 1,000 more" }).click();
  await part.locator('[data-relationship="rel-000003"]').getByText("withdrawn").waitFor();
  assert.deepEqual(await ids(), ["rel-000002", "rel-000003", "rel-000001"]);
  assert.equal(await part.getByRole("button", { name: "Load 1,000 more" }).count(), 0);
  await part.getByRole("button", { name: "Waiting only" }).click();
  assert.deepEqual(await ids(), ["rel-000002"]);
  await part.getByRole("button", { name: "Drop what waits of rel-000002" }).click();
  await dialog(t).getByRole("button", { name: "Drop", exact: true }).click();
  await part.getByText("Of those that are loaded none waits.").waitFor();
  stub.fail = (_, path) => (path === "/api/v1/relationships" ? { status: 403, detail: "not permitted" } : null);
  await part.getByRole("button", { name: "Refresh" }).click();
  await part.getByRole("alert").getByText("not permitted").waitFor();
});

for (const lang of ["zh", "en"]) {
  test(`the forms of relationships and tenants are accessible: ${lang}`, { data: "empty", colorScheme: lang === "zh" ? "light" : "dark", locale: lang === "zh" ? "zh-CN" : "en-US" }, async (t) => {
    await standIn(t, "sec");
    await t.open("/access?tz=UTC&standing=acme");
    for (const [button, as] of [[/^(更改 acme|Change what acme)/, "tenant"], [/^(登记关系|Record a relationship)$/, "record"], [/rel-000001 的结束|end of rel-000001/, "end"], [/^(确认|Confirm) rel-000002$/, "confirm"]]) {
      await t.page.getByRole("button", { name: button }).click();
      await dialog(t).waitFor();
      await t.axe();
      await t.shot(`access-relationships-${as}-${lang}`);
      await t.page.keyboard.press("Escape");
      await dialog(t).waitFor({ state: "detached" });
    }
  });
}

test("sessions are listed and ended", { data: "empty" }, async (t) => {
  const stub = await standIn(t, "sec");
  await t.open("/access");
  const area = t.page.getByRole("region", { name: "会话" });
  await area.getByRole("button", { name: /结束 alice 的会话/ }).click();
  await dialog(t).getByText("要阻止再次登录，请吊销令牌").waitFor();
  await dialog(t).getByRole("button", { name: "结束", exact: true }).click();
  await area.getByText("10.0.0.9").waitFor({ state: "detached" });
  assert.deepEqual(stub.sessions.map((one) => one.id), ["s2"]);
});

test("names of principals are text and nothing else", { data: "empty" }, async (t) => {
  const stub = await standIn(t, "sec");
  stub.principals.push({ ...PEOPLE.alice, name: "<img src=x onerror=alert(1)>\u202e" });
  await t.open("/access");
  await t.page.getByRole("cell").first().waitFor();
  await t.page.getByText("⟦U+202E⟧").first().waitFor();
  assert.equal(await t.page.locator("main img").count(), 0);
});
