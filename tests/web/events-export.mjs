// Exports: as many rows as announced, whole or not at all, safe to open, cancelled without a trace.

import { readFileSync } from "node:fs";
import { test, assert } from "./harness.mjs";

const dialog = (t) => t.page.getByRole("dialog", { name: "导出" });

async function opened(t, query) {
  await t.open(`/?${query}`);
  await t.page.getByRole("button", { name: /^导出/ }).click();
  await dialog(t).getByText("将导出").waitFor({ timeout: 30_000 });
  return Number((await dialog(t).locator(".count").innerText()).replace(/[^\d]/g, ""));
}

async function saved(t) {
  const [download] = await Promise.all([t.page.waitForEvent("download", { timeout: 60_000 }), dialog(t).getByRole("button", { name: "导出", exact: true }).click()]);
  await dialog(t).getByText("与预告数目一致").waitFor();
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

/** Records of RFC 4180. */
function csv(text) {
  const rows = [[""]];
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    const row = rows.at(-1);
    if (quoted && letter === '"' && text[at + 1] === '"') (row[row.length - 1] += '"', at += 1);
    else if (letter === '"') quoted = !quoted;
    else if (!quoted && letter === ",") row.push("");
    else if (!quoted && letter === "\n") rows.push([""]);
    else if (quoted || letter !== "\r") row[row.length - 1] += letter;
  }
  rows.pop();
  return rows;
}

test("CSV for a spreadsheet: count, header, zone, BOM", { seconds: 120 }, async (t) => {
  const announced = await opened(t, "tenant=*&last=30d&source=ECS&cols=time,event_name,operator");
  assert.equal(announced, (await t.api("count?tenant=*&last=30d&source=ECS")).count);
  const { name, bytes } = await saved(t);
  assert.match(name, /^annals-all-\d{8}T\d{6}Z\.csv$/);
  assert.deepEqual([...bytes.subarray(0, 3)], [0xef, 0xbb, 0xbf]);
  const rows = csv(bytes.subarray(3).toString());
  // The event's id goes along, by which what a row says can be proved.
  assert.deepEqual(rows[0], ["操作时间", "事件名称", "操作用户", "事件ID"]);
  const { events } = await t.api("events?tenant=*&last=30d&source=ECS&limit=1&fields=trace_id");
  assert.ok(rows.slice(1, 20).some((row) => row[3] === events[0].trace_id));
  assert.match(await dialog(t).locator("[data-hint]").innerText(), /19 位/);
  assert.equal(rows.length - 1, announced);
  assert.match(rows[1][0], /\+08:00$/);
  assert.match(await dialog(t).locator(".done code").last().innerText(), /^[0-9a-f]{64}$/);
  await t.shot("events-export");
});

test("ids of digits are written as texts, if asked", { data: "special", own: true, seconds: 120 }, async (t) => {
  const line = JSON.stringify({ trace_id: "1234567890123456789", trace_name: "e", service_type: "ECS", resource_type: "ecs", trace_type: "ApiCall", trace_rating: "normal", user: { name: "li" }, time: Date.now() });
  await t.api("events?tenant=digits", { method: "POST", body: `${line}\n`, headers: { "Content-Type": "application/x-ndjson" } });
  await opened(t, "tenant=digits&cols=time,event_name");
  await dialog(t).getByLabel(/编号按文本写入/).check();
  const rows = csv((await saved(t)).bytes.subarray(3).toString());
  assert.equal(rows[1][2], '="1234567890123456789"');
});

test("NDJSON and Parquet, whole", { seconds: 180 }, async (t) => {
  const announced = await opened(t, "tenant=*&last=7d");
  await dialog(t).getByLabel(/NDJSON/).check();
  await dialog(t).getByLabel("列").selectOption("record");
  const ndjson = await saved(t);
  const lines = ndjson.bytes.toString().trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.pop(), { annals_export: { complete: true, rows: announced } });
  assert.equal(lines.length, announced);
  assert.ok(lines.every((line) => typeof line.original === "string"));
  await dialog(t).getByLabel(/Parquet/).check();
  const [download] = await Promise.all([t.page.waitForEvent("download"), dialog(t).getByRole("button", { name: "再导出一次" }).click()]);
  await dialog(t).getByText("与预告数目一致").waitFor();
  const parquet = readFileSync(await download.path());
  assert.equal(parquet.subarray(-4).toString(), "PAR1");
});

test("cells that a spreadsheet takes for formulas are made harmless, unless asked otherwise", { data: "special", own: true, seconds: 120 }, async (t) => {
  const names = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "plain"];
  // One moment for all: a clock that ticks between two of them would give these one time, and the other order.
  const now = Date.now();
  const lines = names.map((name, at) => JSON.stringify({ trace_id: `f-${at}`, trace_name: "formula", service_type: "ECS", resource_type: "ecs", resource_name: name, trace_type: "ApiCall", trace_rating: "normal", user: { name: "li" }, time: now - at })).join("\n");
  await t.api("events?tenant=formulas", { method: "POST", body: `${lines}\n`, headers: { "Content-Type": "application/x-ndjson" } });
  await opened(t, "tenant=formulas&cols=time,resource_name");
  const safe = csv((await saved(t)).bytes.subarray(3).toString()).slice(1).map((row) => row[1]);
  assert.deepEqual(safe, names.map((name) => (name === "plain" ? name : `'${name}`)));
  await dialog(t).getByLabel(/防公式/).uncheck();
  const [download] = await Promise.all([t.page.waitForEvent("download"), dialog(t).getByRole("button", { name: "再导出一次" }).click()]);
  const raw = csv(readFileSync(await download.path()).subarray(3).toString()).slice(1).map((row) => row[1]);
  assert.deepEqual(raw, names);
});

test("what is cut off is no export, and what is cancelled leaves nothing", { seconds: 120 }, async (t) => {
  t.allow(/ERR_/, /Failed to load/);
  await opened(t, "tenant=*&last=30d");
  let downloads = 0;
  t.page.on("download", () => (downloads += 1));
  // The end of the file is missing, and nothing else says so.
  await t.page.route(/\/api\/v1\/events\.csv/, async (route) => {
    const answer = await route.fetch();
    const body = await answer.body();
    await route.fulfill({ response: answer, body: body.subarray(0, body.length - 40) });
  });
  await dialog(t).getByRole("button", { name: "导出", exact: true }).click();
  await dialog(t).getByRole("alert").filter({ hasText: "不完整" }).waitFor();
  await t.page.unroute(/\/api\/v1\/events\.csv/);
  // Whole by its form, but not as many rows as the store counts.
  await t.page.route(/\/api\/v1\/events\.csv/, async (route) => {
    const answer = await route.fetch();
    const lines = (await answer.text()).split("\r\n");
    await route.fulfill({ response: answer, body: `${lines.slice(0, -3).join("\r\n")}\r\n` });
  });
  await dialog(t).getByRole("button", { name: "重试" }).click();
  await dialog(t).getByText("请核对后再使用").waitFor();
  assert.equal(downloads, 1);
  await t.page.unroute(/\/api\/v1\/events\.csv/);
  await t.page.route(/\/api\/v1\/events\.csv/, async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await route.continue().catch(() => {});
  });
  await dialog(t).getByRole("button", { name: "再导出一次" }).click();
  await dialog(t).getByRole("button", { name: "取消" }).click();
  await dialog(t).getByText("已取消").waitFor();
  assert.equal(downloads, 1);
});
