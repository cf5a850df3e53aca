// The store's page: figures are the status's own, quarantine shows records as text, and each action says what follows from
// it, is confirmed, and is shown as recorded.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, ingest as ingestFiles, test } from "./harness.mjs";

const backups = mkdtempSync(join(tmpdir(), "annals-web-backups-"));
process.on("exit", () => rmSync(backups, { recursive: true, force: true }));

const block = (t, name) => t.page.getByRole("region", { name }).first();
const dialog = (t) => t.page.getByRole("dialog");
const digits = (text) => Number(text.replaceAll(/[^\d]/g, ""));
const term = (t, area, name) => block(t, area).locator("dl > div", { has: t.page.getByText(name, { exact: true }) }).locator("dd");

async function open(t, more = "") {
  await t.open(`/store?tenant=*${more}`);
  await block(t, "保留期").locator("tbody tr").first().waitFor();
  await block(t, "存储").locator("dl").waitFor();
}

/** The record that the dialog links to is an event of `_annals`. */
async function recorded(t, eventName) {
  const link = dialog(t).locator(".done a");
  await link.waitFor();
  const url = new URL(await link.getAttribute("href"), t.url);
  assert.equal(url.searchParams.get("tenant"), "_annals");
  const { events } = await t.api(`events?tenant=_annals&trace_id=${encodeURIComponent(url.searchParams.get("trace_id"))}`);
  assert.equal(events.length, 1);
  assert.equal(events[0].event_name, eventName);
  return events[0];
}

const past = (days, number) => JSON.stringify({
  trace_id: `old-${days}-${number}`, trace_name: "createServer", service_type: "ECS", resource_type: "ecs", resource_name: `s-${number}`, resource_id: `s-${number}`,
  trace_rating: "normal", trace_type: "ApiCall", code: "200", user: { name: number % 2 ? "zhao.jie" : "li.si", domain: { name: "d" } }, time: Date.now() - days * 86_400_000,
});
const ingest = (t, tenant, lines) => t.api(`events?tenant=${tenant}`, { method: "POST", headers: { "content-type": "application/x-ndjson" }, body: lines.join("\n") });

test("figures are those of the status", { data: "special" }, async (t) => {
  const before = await t.api("status");
  await open(t);
  const status = await t.api("status");
  // That the status is read is an event itself.
  const isBetween = (shown, name) => assert.ok(before[name] <= shown && shown <= status[name], `${name}: ${before[name]}, ${shown}, ${status[name]}`);
  isBetween(digits(await term(t, "存储", "事件").innerText()), "events");
  isBetween(digits((await term(t, "存储", "段").innerText()).split("\n")[0]), "segments");
  assert.ok(status.events - before.events < 100, "nothing but the trail has grown");
  assert.equal(digits((await term(t, "校验", "启动以来已比对").innerText()).split("/")[0]), status.scrub.compared);
  assert.match(await block(t, "校验").innerText(), status.scrub.damaged.length === 0 ? /没有发现损坏/ : /损坏: /);
  assert.match(await term(t, "校验", "程序版本").innerText(), new RegExp(status.version.replaceAll(".", "\\.")));
  assert.match(await block(t, "备份").innerText(), /没有指定备份目录/);
});

test("quarantine: each record with its reason, as it came, and nothing of it is markup", { data: "special" }, async (t) => {
  await open(t);
  const { total, records } = await t.api("quarantine?tenant=*&limit=100");
  assert.ok(total > 20);
  const area = block(t, /^隔离区/);
  assert.match(await area.getByRole("heading").innerText(), new RegExp(`共 ${total} 条`));
  const rows = area.locator("tbody tr");
  assert.equal(await rows.count(), records.length);
  for (let at = 0; at < records.length; at += 5) {
    assert.ok((await rows.nth(at).innerText()).includes(records[at].reason.slice(0, 20)), `row ${at}`);
    await rows.nth(at).getByRole("button", { name: "查看原始记录" }).click();
    const raw = area.locator("pre");
    const named = (text) => text.replaceAll(/⟦U\+[0-9A-F]+⟧/g, "").replaceAll(/[^\x21-\x7e]/g, "");
    assert.equal(named(await raw.innerText()), named((records[at].record ?? records[at].record_base64).slice(0, 2_000)));
    await area.getByRole("button", { name: "收起" }).click();
  }
  assert.equal(await t.page.locator("main script, main img, main iframe").count(), 0);
  await rows.first().getByRole("button", { name: "查看原始记录" }).click();
  await area.getByRole("button", { name: "复制原始记录" }).click();
  assert.equal(await t.page.evaluate(() => navigator.clipboard.readText()), records[0].record ?? records[0].record_base64);
  await t.shot("store-quarantine");
});

test("retention is set with its consequence said before and its record linked after", { own: true, data: "empty" }, async (t) => {
  await ingest(t, "acme", [past(400, 1), past(400, 2), past(300, 3), past(10, 4)]);
  await open(t);
  const area = block(t, "保留期");
  await area.getByRole("button", { name: "为租户设定" }).click();
  const box = dialog(t);
  const confirm = box.getByRole("button", { name: "确认" });
  assert.ok(await confirm.isDisabled(), "no tenant, nothing to confirm");
  await box.getByLabel("租户名").fill("acme");
  await box.getByLabel("永久保留").uncheck();
  await box.getByLabel(/天数/).fill("100");
  await box.getByText("须为不少于 180 的整数天").waitFor();
  assert.ok(await confirm.isDisabled(), "below the floor");
  await box.getByLabel(/天数/).fill("365");
  await box.getByText("2 条事件期满", { exact: false }).waitFor();
  assert.match(await box.innerText(), /永久删除，无法恢复/);
  await t.shot("store-retention");
  await confirm.click();
  const event = await recorded(t, "setRetention");
  assert.equal(event.resource_name, "acme");
  await box.getByRole("button", { name: "关闭" }).last().click();
  await area.locator("tr", { hasText: "acme" }).getByText("365 天").waitFor();
  const policy = await t.api("retention");
  assert.equal(policy.tenants.acme, 365);
  // The same again changes nothing, and says so.
  await area.getByRole("button", { name: "更改: acme" }).click();
  await box.getByLabel(/天数/).fill("365");
  await confirm.click();
  await box.getByText("与现状相同").waitFor();
  assert.equal((await t.api("retention")).version, policy.version);
  await t.page.keyboard.press("Escape");
  await block(t, "操作记录").getByText("设定保留期").waitFor();
});

test("a dry run says what a run would delete; the run deletes that, and a hold beats it", { own: true, data: "empty", seconds: 240 }, async (t) => {
  // Taken in by the command line, events are in segments at once, which is what retention deletes from.
  await t.server.kill();
  ingestFiles(t.server.folder, [past(400, 1), past(400, 2), past(390, 3), past(390, 4), past(10, 6)], ["--tenant", "acme"]);
  await t.server.restart();
  await t.api("retention", { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify({ tenant: "acme", days: "365" }) });
  await open(t);
  // A hold keeps the events of zhao.jie.
  const holds = block(t, "法律保全");
  await holds.getByRole("button", { name: "设立保全" }).click();
  const box = dialog(t);
  await box.getByLabel("名称", { exact: true }).fill("case-7");
  await box.getByLabel("租户", { exact: true }).fill("acme");
  await box.getByLabel(/^条件/).fill("operator=zhao.jie");
  await box.getByText("现在符合的事件：2 条").waitFor();
  await box.getByLabel("理由").fill("court order 7");
  await box.getByText("解除之前不会被删除", { exact: false }).waitFor();
  await box.getByRole("button", { name: "设立保全" }).click();
  assert.equal((await recorded(t, "placeHold")).resource_name, "case-7");
  await box.getByRole("button", { name: "关闭" }).last().click();
  await holds.getByText("court order 7").waitFor();
  const area = block(t, "保留期");
  await area.getByRole("button", { name: /试算/ }).click();
  const wanted = await t.api("retention/run?dry_run=true", { method: "POST" });
  assert.deepEqual([wanted.events, wanted.held], [2, 2]);
  await area.getByText("删除 2 条事件", { exact: false }).waitFor();
  await area.getByText("另有 2 条期满但被法律保全", { exact: false }).waitFor();
  await area.getByRole("button", { name: "立即删除期满事件" }).click();
  const run = box.getByRole("button", { name: "立即删除期满事件" });
  assert.ok(await run.isDisabled(), "what cannot be undone is typed");
  await box.getByRole("textbox").fill("2");
  await run.click();
  await box.getByText("已删除 2 条期满事件").waitFor();
  await recorded(t, "deleteEvents");
  await box.getByRole("button", { name: "关闭" }).last().click();
  assert.equal((await t.api("count?tenant=acme")).count, 3);
  // Lifting needs the name and a reason.
  await holds.getByRole("button", { name: "解除: case-7" }).click();
  const lift = box.getByRole("button", { name: "解除", exact: true });
  await box.getByLabel("理由").fill("case closed");
  assert.ok(await lift.isDisabled());
  await box.getByLabel(/请输入以确认/).fill("case-7");
  await lift.click();
  await recorded(t, "liftHold");
  await box.getByRole("button", { name: "关闭" }).last().click();
  await holds.getByText("没有法律保全").waitFor();
});

test("by keys alone: Escape cancels, focus comes back, Enter confirms what was typed", { own: true, data: "empty" }, async (t) => {
  await ingest(t, "acme", [past(1, 1)]);
  await open(t);
  const raise = block(t, "保留期").getByRole("button", { name: "提高下限" });
  await raise.focus();
  await t.page.keyboard.press("Enter");
  await dialog(t).waitFor();
  await t.page.keyboard.press("Escape");
  await dialog(t).waitFor({ state: "hidden" });
  assert.equal((await t.api("retention")).version, 0, "nothing happened");
  await raise.focus();
  await t.page.keyboard.press("Enter");
  await dialog(t).getByLabel("新下限（天）").fill("200");
  await dialog(t).getByText("不能再降低", { exact: false }).waitFor();
  await dialog(t).getByLabel(/请输入以确认/).focus();
  await t.page.keyboard.type("200");
  await t.page.keyboard.press("Enter");
  await recorded(t, "raiseRetentionFloor");
  assert.equal((await t.api("retention")).floor_days, 200);
});

test("a refusal of the server is shown, and nothing is said to be done", { own: true, data: "empty" }, async (t) => {
  t.allow(/Failed to load resource/);
  await ingest(t, "acme", [past(1, 1)]);
  await open(t);
  await t.page.route(/\/api\/v1\/retention$/, (route) => (route.request().method() === "PUT" ? route.fulfill({ status: 503, contentType: "application/problem+json", headers: { "retry-after": "1" }, body: '{"detail":"the disk is nearly full","status":503}' }) : route.continue()));
  await block(t, "保留期").getByRole("button", { name: "更改: 其他租户（默认）" }).click();
  await dialog(t).getByLabel("永久保留").uncheck();
  await dialog(t).getByRole("button", { name: "确认" }).click();
  await dialog(t).getByText("the disk is nearly full").waitFor();
  assert.equal(await dialog(t).getByText("已完成，并已记录").count(), 0);
});

test("a server that dies leaves what it said last, and is asked again", { own: true, data: "empty", seconds: 240 }, async (t) => {
  t.allow(/Failed to load resource/, /net::ERR/);
  await ingest(t, "acme", [past(1, 1)]);
  await open(t, "&refresh=5");
  await t.server.kill();
  await block(t, "存储").locator("[data-away]").waitFor({ timeout: 20_000 });
  assert.equal(await t.page.getByRole("alert").count(), 1, "the page says once that the server is away");
  await term(t, "存储", "事件").waitFor();
  await t.server.restart();
  await t.page.waitForFunction(() => document.querySelectorAll('[role="alert"], [data-away]').length === 0, null, { timeout: 45_000 });
});

for (const [locale, colorScheme, width] of [["zh-CN", "light", 1440], ["en-US", "dark", 900], ["zh-CN", "light", 320]]) {
  test(`accessible in ${locale}, ${colorScheme}, ${width} px, dialogs too`, { own: true, data: "special", locale, colorScheme, viewport: { width, height: 900 }, seconds: 240 }, async (t) => {
    await t.api("holds/case-1?tenant=acme&operator=zhao.jie&reason=court", { method: "PUT" });
    await t.api("retention", { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify({ tenant: "acme", days: "365" }) });
    await t.open("/store?tenant=*");
    await t.page.waitForFunction(() => document.querySelectorAll('main [aria-busy="true"]').length === 0 && document.querySelectorAll("main section").length > 6);
    await t.axe();
    assert.ok(await t.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "the page does not scroll sideways");
    await t.shot(`store-${locale}-${colorScheme}-${width}`);
    const names = locale === "zh-CN" ? ["为租户设定", "提高下限", "设立保全", "解除: case-1"] : ["Set for a tenant", "Raise the floor", "Place a hold", "Lift: case-1"];
    for (const name of names) {
      await t.page.getByRole("button", { name }).click();
      await dialog(t).waitFor();
      await t.axe({ within: "dialog" });
      await t.shot(`store-dialog-${names.indexOf(name)}-${locale}-${width}`);
      await t.page.keyboard.press("Escape");
      await dialog(t).waitFor({ state: "hidden" });
    }
  });
}

test("a backup is named, made and recorded", { own: true, data: "empty", flags: ["--backups", backups] }, async (t) => {
  await ingest(t, "acme", [past(1, 1), past(1, 2)]);
  await open(t);
  await block(t, "备份").getByRole("button", { name: "开始备份" }).click();
  const start = dialog(t).getByRole("button", { name: "开始备份" });
  await dialog(t).getByLabel("备份名称").fill("../outside");
  assert.ok(await start.isDisabled(), "a name is no path");
  await dialog(t).getByLabel("备份名称").fill("daily-1");
  await start.click();
  await dialog(t).getByText(/备份完成：/).waitFor();
  assert.equal((await recorded(t, "backUpStore")).resource_name, "daily-1");
});
