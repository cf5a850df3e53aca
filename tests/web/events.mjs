// The event list: conditions, counts, addresses. What is shown is what the store says, and the address is the whole state.

import { test, assert } from "./harness.mjs";

const LIST = "[role=grid]";
const ROW = "[role=row][data-seq]";
const shown = (count) => count.toLocaleString("en");

/** Waits until the list and its total are those of the present conditions. */
async function settled(t) {
  await t.page.waitForFunction(() => !document.querySelector("[aria-busy=true]") && document.querySelector(".total strong"), null, { timeout: 30_000 });
}
const total = async (t) => Number((await t.page.locator(".total strong").innerText()).replace(/[^\d]/g, ""));
const params = (t) => new URL(t.page.url()).searchParams;

test("pickers stand in the console's order and words, with exact counts", { seconds: 120 }, async (t) => {
  await t.open("/?tenant=*&last=90d");
  await settled(t);
  const names = await t.page.locator(".pickers button[aria-haspopup=dialog]").evaluateAll((all) => all.map((one) => one.getAttribute("aria-label").split(":")[0]));
  assert.deepEqual(names, ["事件类型", "事件来源", "资源类型", "筛选类型", "操作用户", "事件级别"]);
  await t.page.getByRole("button", { name: /^事件来源/ }).first().click();
  const { facets } = await t.api("facets?tenant=*&last=90d&fields=source&size=200");
  const options = t.page.getByRole("listbox", { name: "事件来源" }).getByRole("option");
  await options.first().waitFor();
  const first = facets.source[0];
  assert.equal((await options.first().innerText()).replace(/\s+/g, " ").trim(), `${first.value} ${shown(first.count)}`);
  assert.equal(await options.count(), facets.source.length);
  // Typing searches, Enter chooses, and the list follows at once.
  await t.page.keyboard.type(first.value.toLowerCase());
  await t.page.keyboard.press("ArrowDown");
  await t.page.keyboard.press("Enter");
  await t.page.keyboard.press("Escape");
  await settled(t);
  assert.equal(params(t).get("source"), first.value);
  assert.equal(await total(t), first.count);
  await t.shot("events-picker");
});

test("for each facet value: a click shows as many rows as it said", { seconds: 180 }, async (t) => {
  await t.open("/?tenant=*&last=90d&level.not=incident");
  await settled(t);
  for (const field of ["事件来源", "操作用户", "返回码"]) {
    const section = t.page.getByRole("region", { name: field }).or(t.page.locator(`section[aria-label="${field}"]`)).first();
    for (const at of [0, 2]) {
      const value = section.locator("li .name").nth(at);
      if ((await value.count()) === 0) continue;
      const said = Number((await value.locator(".count").innerText()).replace(/[^\d]/g, ""));
      await value.click();
      await settled(t);
      assert.equal(await total(t), said, `${field} ${at}`);
      await t.page.goBack();
      await settled(t);
    }
  }
});

test("a field that is asked for is counted without its own condition", { seconds: 120 }, async (t) => {
  const { facets } = await t.api("facets?tenant=*&last=90d&fields=source&size=3");
  const [one, other] = facets.source;
  await t.open(`/?tenant=*&last=90d&source=${one.value}`);
  await settled(t);
  const line = t.page.locator('section[aria-label="事件来源"] li', { has: t.page.getByRole("button", { name: `仅此值: ${other.value}` }).or(t.page.locator(`[title="仅此值: ${other.value}"]`)) });
  assert.equal((await line.locator(".count").innerText()), shown(other.count));
  await line.getByRole("checkbox").click();
  await settled(t);
  assert.equal(await total(t), one.count + other.count);
  assert.deepEqual(params(t).getAll("source"), [one.value, other.value]);
});

test("chips negate, pause, edit and go, and Back undoes one step", { seconds: 120 }, async (t) => {
  await t.open("/?tenant=*&last=90d&source=ECS&event_name.prefix=create");
  await settled(t);
  const both = await total(t);
  const chip = (name) => t.page.locator("[data-chip]", { hasText: name });
  await chip("事件来源").getByRole("button").first().click();
  await t.page.getByRole("menuitem", { name: "停用" }).click();
  await settled(t);
  assert.equal(params(t).get("~source"), "ECS");
  const { count: paused } = await t.api("count?tenant=*&last=90d&event_name.prefix=create");
  assert.equal(await total(t), paused);
  await chip("事件名称").getByRole("button").first().click();
  await t.page.getByRole("menuitem", { name: "取反" }).click();
  await settled(t);
  assert.equal(params(t).get("event_name.prefix.not"), "create");
  const { count: everything } = await t.api("count?tenant=*&last=90d");
  assert.equal(await total(t), everything - paused);
  await t.page.goBack();
  await settled(t);
  assert.equal(await total(t), paused);
  await t.page.goBack();
  await settled(t);
  assert.equal(await total(t), both);
  await chip("事件来源").getByRole("button").first().click();
  await t.page.getByRole("menuitem", { name: "编辑" }).click();
  await t.page.getByRole("textbox", { name: /^值/ }).fill("ECS\nVPC");
  await t.page.getByRole("button", { name: "保存" }).click();
  await settled(t);
  assert.deepEqual(params(t).getAll("source"), ["ECS", "VPC"]);
  await chip("事件名称").getByRole("button", { name: /移除/ }).click();
  await settled(t);
  assert.equal(params(t).get("event_name.prefix"), null);
});

test("the menu of a cell: only, exclude; an excluded value replaces an included one", { seconds: 120 }, async (t) => {
  await t.open("/?tenant=*&last=90d&cols=time,source,operator,resource_name");
  await settled(t);
  const cell = t.page.locator(`${ROW} [data-column="1"] .v`).first();
  const value = await cell.innerText();
  await cell.click();
  await t.page.getByRole("menuitem", { name: "仅此值" }).click();
  await settled(t);
  assert.equal(params(t).get("source"), value);
  await t.page.locator(`${ROW} [data-column="1"] .v`).first().click();
  await t.page.getByRole("menuitem", { name: "排除此值" }).click();
  await settled(t);
  assert.equal(params(t).get("source"), null);
  assert.equal(params(t).get("source.not"), value);
  const { count } = await t.api(`count?tenant=*&last=90d&source.not=${value}`);
  assert.equal(await total(t), count);
});

test("text is applied by Enter, mistakes are shown at their character, typed conditions become conditions", { seconds: 120 }, async (t) => {
  await t.open("/?tenant=*&last=90d");
  await settled(t);
  await t.page.locator(LIST).focus();
  await t.page.keyboard.press("/");
  await t.page.keyboard.type('create "open');
  assert.equal(params(t).get("text"), null);
  await t.page.getByText("未应用").waitFor();
  await t.page.keyboard.press("Enter");
  await t.page.getByText("第 8 个字符").waitFor();
  assert.equal(params(t).get("text"), null);
  await t.page.keyboard.press("Control+A");
  await t.page.keyboard.type("createServer");
  await t.page.keyboard.press("Enter");
  await settled(t);
  assert.equal(params(t).get("text"), "createServer");
  const { count } = await t.api("count?tenant=*&last=90d&text=createServer");
  assert.equal(await total(t), count);
  const box = t.page.getByRole("searchbox", { name: "文本条件" });
  await box.fill("source:ECS createServer");
  await t.page.getByRole("button", { name: /改为条件/ }).click();
  await settled(t);
  assert.equal(params(t).get("source"), "ECS");
  assert.equal(params(t).get("text"), "createServer");
});

test("an input method's Enter asks and chooses nothing", { seconds: 90 }, async (t) => {
  await t.open("/?tenant=*&last=90d");
  await settled(t);
  const enter = (element, init) => element.dispatchEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, ...init });
  const box = t.page.getByRole("searchbox", { name: "文本条件" });
  await box.fill("qiye");
  await enter(box, { isComposing: true });
  await enter(box, { keyCode: 229 });
  assert.equal(params(t).get("text"), null);
  await t.page.getByRole("button", { name: /^事件来源/ }).first().click();
  const combo = t.page.getByRole("combobox");
  await combo.fill("ecs");
  await t.page.keyboard.press("ArrowDown");
  await enter(combo, { isComposing: true });
  await enter(combo, { keyCode: 229 });
  assert.equal(params(t).get("source"), null);
});

test("a hostile address is shown as red chips and nothing is asked", { seconds: 60 }, async (t) => {
  await t.open("/?tenant=*&nosuch=<img src=x onerror=alert(1)>&last=never&__proto__=x&source=ECS");
  await t.page.getByRole("alert").filter({ hasText: "没有查询" }).waitFor();
  assert.equal(await t.page.locator(".chip.fault").count(), 3);
  for (let left = 3; left > 0; left -= 1) await t.page.locator(".chip.fault .cross").first().click();
  await settled(t);
  assert.equal(await total(t), (await t.api("count?tenant=*&source=ECS")).count);
});

test("the period: presets, typed moments, reversed ones, changes of clocks", { seconds: 120 }, async (t) => {
  await t.open("/?tenant=*&tz=America/New_York");
  await settled(t);
  await t.page.locator(LIST).focus();
  await t.page.keyboard.press("t");
  await t.page.getByRole("button", { name: "最近 30 天" }).click();
  await settled(t);
  assert.equal(params(t).get("last"), "30d");
  await t.page.keyboard.press("Escape");
  await t.page.getByRole("button", { name: /^时间范围/ }).click();
  const from = t.page.getByLabel(/^开始/);
  const to = t.page.getByLabel(/^结束/);
  await from.fill("2026-03-08 02:30");
  await t.page.getByText("被跳过").waitFor();
  await to.fill("2026-03-01");
  await t.page.getByText("结束须晚于开始").waitFor();
  assert.ok(await t.page.getByRole("button", { name: "应用" }).isDisabled());
  await to.fill("胡说");
  await t.page.getByText("认不出这个时间").waitFor();
  await from.fill("2026-06-01 00:00");
  await to.fill("2027-01-01T00:00:00+08:00");
  await t.page.getByRole("button", { name: "应用" }).click();
  await settled(t);
  assert.equal(params(t).get("from"), "2026-06-01T04:00:00.000Z");
  assert.equal(params(t).get("to"), "2026-12-31T16:00:00.000Z");
});

test("times carry their zone, and another zone changes what is shown and not what is found", { seconds: 120 }, async (t) => {
  await t.open("/?tenant=*&last=90d&tz=Asia/Shanghai");
  await settled(t);
  const before = await total(t);
  const cell = () => t.page.locator(`${ROW} [data-column="0"]`).first().innerText();
  const there = await cell();
  assert.match(await t.page.locator("[role=grid] [role=columnheader]").first().innerText(), /UTC\+08:00/);
  await t.page.getByRole("button", { name: /^时区/ }).click();
  await t.page.keyboard.type("UTC");
  await t.page.getByRole("option", { name: "UTC", exact: true }).click();
  await t.page.waitForFunction(() => document.querySelector("[role=grid] [role=columnheader]").innerText.match(/UTC(?!\+)/));
  assert.equal(new URL(t.page.url()).searchParams.get("tz"), "UTC");
  assert.equal(Date.parse(`${(await cell()).replace(" ", "T")}Z`), Date.parse(`${there.replace(" ", "T")}+08:00`));
  await settled(t);
  assert.equal(await total(t), before);
});

test("the drawing: its bars are the total, keys zoom, Back returns", { seconds: 120 }, async (t) => {
  await t.open("/?tenant=*&last=30d");
  await settled(t);
  const chart = t.page.getByRole("slider");
  await chart.waitFor();
  const table = t.page.locator(".timeline table tbody tr");
  const sums = await table.evaluateAll((rows) => rows.map((row) => [...row.cells].slice(1).map((cell) => Number(cell.innerText.replace(/[^\d]/g, "")))));
  assert.equal(sums.reduce((sum, [count]) => sum + count, 0), await total(t));
  for (const [count, ...levels] of sums) assert.equal(levels.reduce((sum, level) => sum + level, 0), count);
  await chart.focus();
  await t.page.keyboard.press("End");
  await t.page.keyboard.press("Shift+ArrowLeft");
  await t.page.keyboard.press("Shift+ArrowLeft");
  const said = await chart.getAttribute("aria-valuetext");
  assert.match(said, /\d{4}-\d\d-\d\d \d\d:\d\d/);
  await t.page.keyboard.press("Enter");
  await settled(t);
  const wanted = sums.slice(-3).reduce((sum, [count]) => sum + count, 0);
  assert.ok(params(t).get("from") && params(t).get("to"));
  assert.equal(await total(t), wanted);
  // By pointer, too.
  const box = await chart.boundingBox();
  await t.page.mouse.move(box.x + box.width * 0.4, box.y + 20);
  await t.page.mouse.down();
  await t.page.mouse.move(box.x + box.width * 0.6, box.y + 20, { steps: 6 });
  await t.page.mouse.up();
  await settled(t);
  assert.ok((await total(t)) <= wanted);
  await t.page.goBack();
  await settled(t);
  assert.equal(await total(t), wanted);
});

test("links: relative or fixed; what is copied shows the same", { seconds: 120 }, async (t) => {
  await t.open("/?tenant=*&last=7d&source=ECS&~level=incident");
  await settled(t);
  const before = await total(t);
  for (const [name, has] of [["相对时间", "last"], ["固定", "from"]]) {
    await t.page.getByRole("button", { name: "复制链接" }).click();
    await t.page.getByRole("menuitem", { name: new RegExp(name) }).click();
    await t.page.getByText("链接已复制").waitFor();
    const link = await t.page.evaluate(() => navigator.clipboard.readText());
    assert.ok(link.length < 2000, link);
    const url = new URL(link);
    assert.ok(url.searchParams.has(has), link);
    for (const name of ["tz", "cols", "tenant", "~level"]) assert.ok(url.searchParams.has(name), `${name}: ${link}`);
    await t.open(url.pathname + url.search);
    await settled(t);
    assert.equal(await total(t), before);
    await t.open("/?tenant=*&last=7d&source=ECS&~level=incident");
    await settled(t);
  }
});

test("conditions as text: edited, faults by line, applied", { seconds: 90 }, async (t) => {
  await t.open("/?tenant=*&last=90d&source=ECS");
  await settled(t);
  await t.page.getByRole("button", { name: "以文本编辑全部条件" }).click();
  const lines = t.page.getByRole("textbox", { name: "以文本编辑全部条件" });
  assert.equal(await lines.inputValue(), "source=ECS\nlast=90d");
  await lines.fill("source=ECS\nnonsense");
  await t.page.getByText("第 2 行").waitFor();
  await lines.fill("source=ECS\nsource=VPC\nlast=90d");
  await t.page.getByRole("button", { name: "应用" }).click();
  await settled(t);
  assert.deepEqual(params(t).getAll("source"), ["ECS", "VPC"]);
});

test("columns: presets, order, remembered, in the address", { seconds: 120 }, async (t) => {
  await t.open("/?tenant=*&last=90d");
  await settled(t);
  await t.page.getByRole("button", { name: "列", exact: true }).click();
  await t.page.getByRole("button", { name: "额度" }).click();
  assert.match(params(t).get("cols"), /^time,event_name,amount/);
  await t.page.getByRole("button", { name: "上移 金额" }).click();
  assert.match(params(t).get("cols"), /^time,amount,event_name/);
  await t.page.getByRole("button", { name: "添加 事件ID" }).click();
  assert.match(params(t).get("cols"), /trace_id/);
  await t.page.keyboard.press("Escape");
  await t.page.waitForFunction(() => [...document.querySelectorAll("[role=grid] [role=columnheader]")][1].innerText.includes("金额"));
  await t.open("/?tenant=*&last=90d");
  await settled(t);
  assert.match(await t.page.locator("[role=grid] [role=columnheader]").nth(1).innerText(), /金额/);
});

test("saved views are kept by the server and opened by link", { own: true, seconds: 120 }, async (t) => {
  await t.open("/?tenant=*&last=90d&source=ECS");
  await settled(t);
  const before = await total(t);
  await t.page.getByRole("button", { name: "视图" }).click();
  await t.page.getByRole("button", { name: /存为视图/ }).click();
  await t.page.getByRole("textbox", { name: "名称" }).fill("ECS 九十天 <b>");
  await t.page.getByRole("textbox", { name: "归属" }).fill("张三");
  await t.page.getByRole("button", { name: "保存", exact: true }).click();
  await t.page.getByText("已保存").waitFor();
  const { views } = await t.api("views");
  assert.equal(views.length, 1);
  assert.equal(views[0].owner, "张三");
  // Another browser, another language.
  const other = await t.context.browser().newContext({ locale: "en" });
  const page = await other.newPage();
  await page.goto(`${t.url}/?tenant=*`);
  await page.getByRole("button", { name: "Views" }).click();
  await page.getByRole("button", { name: /ECS 九十天/ }).first().click();
  await page.waitForFunction((count) => document.querySelector(".total strong")?.innerText.startsWith(count), before.toLocaleString("en"));
  await other.close();
  await t.page.locator("[data-chip] .cross").first().click();
  await settled(t);
  await t.page.getByRole("button", { name: /已修改/ }).click();
  await t.page.getByRole("button", { name: /更新/ }).click();
  // The first "saved" may still be shown: the server is asked until it has the change.
  assert.ok(await comes(t, (views) => views[0].version === 2), "the view was not saved again");
  await t.page.getByRole("button", { name: /删除视图/ }).click();
  await t.page.getByRole("button", { name: "删除", exact: true }).click();
  assert.ok(await comes(t, (views) => views.length === 0), "the view was not deleted");
});

/** Whether the saved views come to be so within ten seconds. */
async function comes(t, so) {
  for (let turn = 0; turn < 100; turn += 1) {
    if (so((await t.api("views")).views)) return true;
    await t.page.waitForTimeout(100);
  }
  return false;
}
