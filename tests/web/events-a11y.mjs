// Accessible by the rules of WCAG 2.2 AA: each state, both languages, both themes, narrow and zoomed; and by keyboard alone.

import { test, assert } from "./harness.mjs";

const loaded = (t) => t.page.waitForFunction(() => document.querySelector("[role=grid]") && !document.querySelector("[aria-busy=true]") && document.querySelector("[role=row][data-seq]"), null, { timeout: 30_000 });

const SHAPES = [
  ["zh-CN", "light", 1440, 900], ["en-US", "dark", 1440, 900], ["zh-CN", "dark", 900, 700], ["en-US", "light", 900, 700],
  // 1440 x 900 at 200 %.
  ["zh-CN", "light", 720, 450],
];

for (const [locale, colorScheme, width, height] of SHAPES) {
  test(`axe: every state, ${locale} ${colorScheme} ${width}x${height}`, { locale, colorScheme, viewport: { width, height }, seconds: 240 }, async (t) => {
    const zh = locale === "zh-CN";
    await t.open("/?tenant=*&last=30d&source=ECS&~operator=x&event_name.prefix.not=create");
    await loaded(t);
    await t.axe();
    await t.shot(`events-${locale}-${colorScheme}-${width}`);
    // The whole page once; then what has opened over it.
    const panel = { within: "[popover]:popover-open" };
    await t.page.getByRole("button", { name: zh ? /^时间范围/ : /^Period/ }).click();
    await t.axe(panel);
    await t.page.keyboard.press("Escape");
    if (width >= 1100) {
      await t.page.getByRole("button", { name: zh ? /^事件来源/ : /^Event source/ }).first().click();
      await t.page.getByRole("listbox").getByRole("option").first().waitFor();
      await t.axe(panel);
      await t.page.keyboard.press("Escape");
    }
    await t.page.locator("[data-chip] button").first().click();
    await t.axe(panel);
    await t.page.keyboard.press("Escape");
    await t.page.getByRole("button", { name: zh ? "列" : "Columns", exact: true }).click();
    await t.axe(panel);
    await t.page.keyboard.press("Escape");
    await t.page.getByRole("button", { name: zh ? /^导出/ : /^Export/ }).click();
    await t.page.locator("dialog .count strong").waitFor();
    await t.axe({ within: "dialog" });
    await t.page.keyboard.press("Escape");
    await t.page.locator('[role=row][data-seq] [data-column="0"]').first().click();
    for (const tab of zh ? ["字段", "请求 / 响应", "记录", "原文", "对比", /相关/] : ["Fields", "Request / response", "Record", "Raw", "Changes", /Related/]) {
      await t.page.getByRole("tab", { name: tab }).click();
      await t.page.waitForTimeout(300);
      await t.axe({ within: "[role=tabpanel]" });
    }
    await t.axe();
    await t.shot(`events-drawer-${locale}-${colorScheme}-${width}`);
    await t.open("/?tenant=*&operator=nobody&last=1h");
    await t.page.waitForTimeout(800);
    await t.axe();
    await t.open("/?tenant=*&last=30d&mode=pages");
    await t.page.locator(".paged table").waitFor();
    await t.axe();
  });
}

test("320 px: nothing is cut off sideways but the rows", { viewport: { width: 320, height: 640 }, seconds: 90 }, async (t) => {
  await t.open("/?tenant=*&last=30d&source=ECS");
  await loaded(t);
  assert.ok(await t.page.evaluate(() => document.scrollingElement.scrollWidth <= innerWidth + 1), "the page scrolls sideways");
  await t.shot("events-320");
  const outside = await t.page.evaluate(() => [...document.querySelectorAll("main button, main a, main input")].filter((one) => { const box = one.getBoundingClientRect(); return box.width > 0 && (box.right > innerWidth + 1 || box.left < -1) && !one.closest("[role=grid]"); }).map((one) => one.outerHTML.slice(0, 100)));
  assert.deepEqual(outside, []);
});

test("targets are at least 24 by 24", { seconds: 90 }, async (t) => {
  await t.open("/?tenant=*&last=30d&source=ECS");
  await loaded(t);
  const small = await t.page.evaluate(() => [...document.querySelectorAll("button, a, input, select, [role=tab]")].filter((one) => { const box = one.getBoundingClientRect(); return box.width > 0 && box.height > 0 && (box.width < 23.5 || box.height < 23.5) && !one.closest(".visually-hidden, .skip"); }).map((one) => `${one.outerHTML.slice(0, 120)} ${JSON.stringify(one.getBoundingClientRect())}`));
  assert.deepEqual(small, []);
});

test("by keyboard alone: choose a source, open an event, read the response, copy its link", { seconds: 120 }, async (t) => {
  await t.open("/?tenant=*&last=90d");
  await loaded(t);
  const press = (key) => t.page.keyboard.press(key);
  const focused = () => t.page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.innerText);
  for (let step = 0; step < 40 && !/^事件来源/.test((await focused()) ?? ""); step += 1) await press("Tab");
  await press("Enter");
  await t.page.getByRole("listbox").getByRole("option").first().waitFor();
  await press("ArrowDown");
  await press("Enter");
  await press("Escape");
  assert.match(await focused(), /^事件来源/, "focus is back on the picker");
  assert.ok(new URL(t.page.url()).searchParams.get("source"));
  await loaded(t);
  for (let step = 0; step < 200 && (await t.page.evaluate(() => document.activeElement.getAttribute("role"))) !== "grid"; step += 1) await press("Tab");
  await press("ArrowDown");
  await press("Enter");
  await t.page.getByRole("tab").first().waitFor();
  for (let step = 0; step < 30 && (await t.page.evaluate(() => document.activeElement.getAttribute("role"))) !== "tab"; step += 1) await press("Tab");
  await press("ArrowRight");
  await t.page.getByRole("tab", { name: "请求 / 响应", selected: true }).waitFor();
  await press("Tab");
  for (let step = 0; step < 20 && (await t.page.evaluate(() => document.activeElement.getAttribute("role"))) !== "tree"; step += 1) await press("Tab");
  await press("ArrowDown");
  await press("Enter");
  await t.page.getByRole("menuitem", { name: "复制值" }).waitFor();
  await press("Escape");
  await press("Escape");
  await t.page.getByRole("complementary", { name: "事件详情" }).waitFor({ state: "detached" });
});
