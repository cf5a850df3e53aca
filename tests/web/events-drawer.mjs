// One event: what the record says is shown byte for byte, related events by exact counts, hostile texts as texts.

import { test, assert, ODD_BODY } from "./harness.mjs";

const loaded = (t) => t.page.waitForFunction(() => document.querySelector("[role=grid]") && !document.querySelector("[role=grid][aria-busy=true]") && document.querySelector("[role=row][data-seq]"), null, { timeout: 30_000 });
const drawer = (t) => t.page.getByRole("complementary", { name: "事件详情" });
const tab = (t, name) => t.page.getByRole("tab", { name }).click();
const clipboard = (t) => t.page.evaluate(() => navigator.clipboard.readText());
const params = (t) => new URL(t.page.url()).searchParams;

async function find(t, query) {
  const { events } = await t.api(`events?${query}&limit=1`);
  return events[0];
}

test("big numbers, repeated keys and their order, odd escapes: tree, copies and raw text are the record's", { data: "special", seconds: 120 }, async (t) => {
  const found = await find(t, "tenant=odd&resource_name=odd-body");
  const { original } = await t.api(`events/${encodeURIComponent(found.trace_id)}?tenant=odd`);
  await t.open(`/?tenant=odd&event=${encodeURIComponent(found.trace_id)}&seq=${found.seq}&tab=record`);
  await drawer(t).getByRole("tree").waitFor();
  const lines = await drawer(t).getByRole("treeitem").allInnerTexts();
  const text = lines.join("\n");
  for (const piece of ["9007199254740993", "1e400", "-0", "1.10"]) if (original.includes(piece)) assert.ok(text.includes(piece), `${piece} is missing in the tree:\n${text}`);
  assert.ok(original.includes("9007199254740993"), "the data has changed");
  assert.ok(ODD_BODY);
  await tab(t, "原文");
  await drawer(t).getByRole("button", { name: "复制原文" }).click();
  await t.page.getByText("已复制").waitFor();
  assert.equal(await clipboard(t), original);
  await drawer(t).getByRole("button", { name: "十六进制" }).click();
  const first = [...new TextEncoder().encode(original).slice(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  assert.ok((await drawer(t).locator("pre").innerText()).includes(first));
  await tab(t, "记录");
  await drawer(t).getByRole("treeitem").first().locator(".key").click();
  await t.page.getByRole("menuitem", { name: "复制这一段原文" }).click();
  await t.page.waitForTimeout(200);
  assert.equal(await clipboard(t), original.trim());
});

test("a megabyte and two hundred fields open at once", { data: "special", seconds: 120 }, async (t) => {
  await t.open("/?tenant=odd");
  await loaded(t);
  const { events } = await t.api("events?tenant=odd&limit=1000&fields=trace_id,seq,original");
  const big = events.toSorted((left, right) => right.original.length - left.original.length)[0];
  assert.ok(big.original.length > 900_000);
  await t.page.evaluate(() => {
    window.longest = 0;
    new PerformanceObserver((list) => { for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration); }).observe({ type: "longtask" });
  });
  for (const name of ["fields", "record", "raw", "bodies"]) {
    await t.page.evaluate(([id, seq, tab]) => { history.pushState(null, "", `/?tenant=odd&event=${encodeURIComponent(id)}&seq=${seq}&tab=${tab}`); dispatchEvent(new PopStateEvent("popstate")); }, [big.trace_id, String(big.seq), name]);
    await t.page.waitForTimeout(1_500);
  }
  const longest = await t.page.evaluate(() => window.longest);
  console.log(`    longest task with a record of ${big.original.length} characters: ${longest.toFixed(0)} ms`);
  // The machine of the tests is slow and shared; the budget for the reader's is 100 ms.
  assert.ok(longest < 600, `a task of ${longest} ms`);
  assert.ok((await t.page.evaluate(() => document.querySelectorAll("*").length)) < 4_000);
});

test("hidden and look-alike characters are seen, neighbours keep their order, copies are exact", { data: "special", seconds: 120 }, async (t) => {
  const { events } = await t.api("events?tenant=odd&limit=1000");
  const bidi = events.find((event) => /[\u202e\u2066\u200b]/.test(`${event.resource_name}${event.operator}${event.event_name}`));
  assert.ok(bidi, "the data has changed");
  await t.open(`/?tenant=odd&cols=time,resource_name,operator,event_name,source&event=${encodeURIComponent(bidi.trace_id)}&seq=${bidi.seq}`);
  await drawer(t).locator(".hidden-char").first().waitFor();
  const cells = await t.page.locator(`[data-seq="${bidi.seq}"] [role=gridcell]`).evaluateAll((all) => all.map((cell) => cell.getBoundingClientRect().left));
  assert.deepEqual(cells, cells.toSorted((left, right) => left - right));
  const field = ["resource_name", "operator", "event_name"].find((name) => /[\u202e\u2066\u200b]/.test(bidi[name] ?? ""));
  await drawer(t).getByRole("button", { name: `复制 ${field}` }).click();
  await t.page.getByText("已复制").waitFor();
  assert.equal(await clipboard(t), bidi[field]);
  const alike = events.find((event) => /[а-я]/.test(`${event.operator ?? ""}${event.resource_name ?? ""}`) && /[a-z]/i.test(`${event.operator ?? ""}${event.resource_name ?? ""}`));
  if (alike) assert.ok((await t.page.locator(".alike").count()) > 0, "no look-alike is marked");
  await t.shot("events-spoofed");
});

test("filter by path finds what the record says", { seconds: 120 }, async (t) => {
  const found = await find(t, "tenant=*&last=90d&source=ECS&format=cts");
  await t.open(`/?tenant=*&last=90d&event=${encodeURIComponent(found.trace_id)}&seq=${found.seq}&tab=record`);
  const line = drawer(t).getByRole("treeitem", { name: /^service_type/ }).or(drawer(t).locator('[role=treeitem]', { hasText: "service_type" })).first();
  await line.locator(".key").click();
  await t.page.getByRole("menuitem", { name: "按路径筛选：此值" }).click();
  await t.page.waitForFunction(() => new URL(location.href).searchParams.get("text"));
  assert.equal(params(t).get("text"), "service_type:ECS");
  await loaded(t);
  const { count } = await t.api("count?tenant=*&last=90d&text=service_type:ECS");
  await t.page.waitForFunction((text) => document.querySelector(".total strong")?.innerText.includes(text), count.toLocaleString("en"));
});

test("fields: only and exclude change the list and keep the event open", { seconds: 90 }, async (t) => {
  const found = await find(t, "tenant=*&last=90d&operator.exists=true&source=ECS");
  await t.open(`/?tenant=*&last=90d&event=${encodeURIComponent(found.trace_id)}&seq=${found.seq}`);
  await drawer(t).getByRole("button", { name: "仅此值：operator" }).click();
  assert.equal(params(t).get("operator"), found.operator);
  assert.equal(params(t).get("event"), found.trace_id);
  await drawer(t).getByRole("button", { name: "排除：operator" }).click();
  assert.equal(params(t).get("operator"), null);
  assert.equal(params(t).get("operator.not"), found.operator);
});

test("what changed since the event before on the same resource", { data: "special", seconds: 90 }, async (t) => {
  const { events } = await t.api("events?tenant=odd&resource_id=changed&limit=10");
  assert.ok(events.length >= 2, "the data has changed");
  await t.open(`/?tenant=odd&event=${encodeURIComponent(events[0].trace_id)}&seq=${events[0].seq}&tab=diff`);
  const rows = drawer(t).locator("table.plain tbody tr");
  await rows.first().waitFor();
  assert.ok((await rows.count()) > 0);
  await drawer(t).getByRole("button", { name: "打开上一条" }).click();
  await t.page.waitForFunction((seq) => new URL(location.href).searchParams.get("seq") === seq, String(events[1].seq));
  await t.open(`/?tenant=odd&event=${encodeURIComponent(events.at(-1).trace_id)}&seq=${events.at(-1).seq}&tab=diff`);
  await drawer(t).getByText("没有更早的事件").waitFor();
});

test("relations: counts are those of the list they open, and Back returns", { data: "special", seconds: 120 }, async (t) => {
  const found = await find(t, "tenant=life&related_ids=quota:Q-0817");
  await t.open(`/?tenant=life&event=${encodeURIComponent(found.trace_id)}&seq=${found.seq}&tab=related`);
  const links = drawer(t).locator("ul a");
  await links.first().waitFor();
  await t.page.waitForFunction(() => [...document.querySelectorAll("[role=tabpanel] ul .count")].every((one) => /^\d/.test(one.innerText)));
  const quota = links.filter({ hasText: "Q-0817" });
  const said = (await quota.locator(".count").innerText()).trim();
  const { count } = await t.api("count?tenant=life&related_ids=quota:Q-0817");
  assert.equal(said, count.toLocaleString("en"));
  const before = t.page.url();
  await quota.click();
  await t.page.waitForFunction((text) => document.querySelector(".total strong")?.innerText.includes(text) && !document.querySelector("[aria-busy=true]"), said);
  assert.equal(params(t).get("related_ids"), "quota:Q-0817");
  await t.page.goBack();
  assert.equal(t.page.url(), before);
});

test("pin events and compare them", { data: "special", seconds: 90 }, async (t) => {
  await t.open("/?tenant=odd&resource_id=changed");
  await loaded(t);
  const rows = t.page.locator('[role=row][data-seq] [data-column="0"]');
  for (const at of [0, 1]) {
    await rows.nth(at).click();
    await drawer(t).getByRole("button", { name: "固定以对比" }).click();
  }
  await drawer(t).getByRole("button", { name: "对比 2 条" }).click();
  const dialog = t.page.getByRole("dialog", { name: "对比事件" });
  await dialog.locator("tbody tr.differs").first().waitFor();
  await t.page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
});

test("pinned events outlive a reload, another question and a link; what is gone is said", { data: "special", seconds: 120 }, async (t) => {
  await t.open("/?tenant=*&resource_id=changed");
  await loaded(t);
  const rows = t.page.locator('[role=row][data-seq] [data-column="0"]');
  for (const at of [0, 1]) {
    await rows.nth(at).click();
    await drawer(t).getByRole("button", { name: "固定以对比" }).click();
  }
  assert.equal(params(t).get("pins").split(",").length, 2);
  await t.page.reload();
  const dialog = t.page.getByRole("dialog", { name: "对比事件" });
  const compare = async (count) => {
    await drawer(t).getByRole("button", { name: `对比 ${count} 条` }).click();
    await dialog.locator("tbody tr.differs").first().waitFor();
    const text = await dialog.innerText();
    await t.page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    return text;
  };
  assert.match(await compare(2), /size/);
  assert.ok(await drawer(t).getByRole("button", { name: "取消固定" }).isVisible());
  // Other conditions and a related question keep them.
  await tab(t, "相关");
  await drawer(t).locator(".panel ul a").first().click();
  await drawer(t).getByRole("button", { name: "对比 2 条" }).waitFor();
  // The two are of one tenant; a link finds them in whatever is shown.
  const pins = params(t).get("pins");
  const found = await find(t, "tenant=odd&resource_name=bare");
  await t.open(`/?tenant=odd&event=${encodeURIComponent(found.trace_id)}&seq=${found.seq}&pins=${encodeURIComponent(`${pins},odd:999999:nowhere,odd:1:x,%zz,:::,${pins}`)}`);
  t.allow(/404/);
  await drawer(t).getByRole("button", { name: "对比 3 条" }).waitFor();
  assert.match(await compare(3), /有 1 条固定的事件找不到/);
  await drawer(t).getByRole("button", { name: "对比 3 条" }).click();
  await dialog.getByRole("button", { name: "取消固定 3" }).click();
  await t.page.waitForFunction((text) => new URL(location.href).searchParams.get("pins") === text, pins);
});

for (const locale of ["en-US", "zh-CN"]) {
  const chinese = locale === "zh-CN";
  test(`an event whose time cannot be is marked in the list and explained, ${locale}`, { own: true, data: "empty", locale, seconds: 90 }, async (t) => {
    const record = (id, time) => JSON.stringify({ trace_id: id, trace_name: "odd", service_type: "ECS", resource_type: "ecs", resource_id: "same", trace_rating: "normal", user: { name: "li" }, time });
    const lines = [record("none", undefined), record("first", 1), record("far", 99_999_999_999_999), record("sound", Date.now() - 60_000)];
    await t.api("events?tenant=suspects", { method: "POST", body: `${lines.join("\n")}\n`, headers: { "Content-Type": "application/x-ndjson" } });
    await t.open("/?tenant=suspects");
    await loaded(t);
    const { events } = await t.api("events?tenant=suspects&fields=trace_id,seq,time_suspect");
    assert.equal(events.filter((event) => event.time_suspect).length, 3);
    for (const { seq, time_suspect } of events) assert.equal(await t.page.locator(`[data-seq="${seq}"] [data-suspect]`).count(), time_suspect ? 1 : 0);
    const mark = t.page.locator("[role=row] [data-suspect]").first();
    assert.match(await mark.innerText(), chinese ? /⚠ 接收时间/ : /⚠ time received/);
    assert.match(await mark.getAttribute("title"), chinese ? /按接收时间归档和排序/ : /sorted under the time it was received/);
    // Neither the time nor its mark is cut.
    assert.ok(await t.page.locator('[role=row][data-seq] [data-column="0"]').evaluateAll((cells) => cells.every((cell) => cell.scrollWidth <= cell.clientWidth)));
    await t.axe();
    await t.shot(`events-suspect-${locale}`);
    const far = events.find((event) => event.trace_id === "far");
    await t.page.locator(`[data-seq="${far.seq}"] [data-column="0"]`).click();
    const detail = t.page.getByRole("complementary", { name: chinese ? "事件详情" : "Event" });
    await detail.locator(".warn").filter({ hasText: chinese ? "可能排在另一天的事件之间" : "may stand among events of another day" }).waitFor();
    assert.equal(await detail.locator("dl [data-suspect]").count(), 1);
    await t.axe();
    await t.open("/?tenant=suspects&mode=pages");
    await t.page.locator("table [data-suspect]").first().waitFor();
    assert.equal(await t.page.locator("table [data-suspect]").count(), 3);
  });

  test(`at 1,024 px no button's text lies over another part, ${locale}`, { own: true, data: "empty", locale, viewport: { width: 1024, height: 768 }, seconds: 90 }, async (t) => {
    const record = { trace_id: "long", trace_name: "applyUnbindOrSwitchCooperation".repeat(10), service_type: "ECS", resource_type: "ecs", trace_rating: "incident", user: { name: "li" }, time: Date.now() };
    await t.api("events?tenant=long", { method: "POST", body: `${JSON.stringify(record)}\n`, headers: { "Content-Type": "application/x-ndjson" } });
    /** Buttons that are narrower than what they say. */
    const tight = (within) => t.page.locator(`${within} button:visible`).evaluateAll((all) => all.filter((one) => one.scrollWidth > one.clientWidth + 1 && !one.querySelector(".ellipsis")).map((one) => `${one.innerText}: ${one.scrollWidth} in ${one.clientWidth}`));
    await t.open("/?tenant=long&event=long");
    const header = t.page.locator("dialog header");
    await header.locator("h2 bdi").first().waitFor();
    assert.deepEqual(await tight("dialog"), []);
    const title = await header.locator("h2").boundingBox();
    const back = await header.getByRole("button").first().boundingBox();
    assert.ok(back.x + back.width <= title.x + 0.5 && title.width > 200, JSON.stringify({ back, title }));
    await t.shot(`events-drawer-1024-${locale}`);
    await t.open("/?tenant=long");
    await loaded(t);
    await t.page.locator(".total strong").waitFor();
    assert.deepEqual(await tight("main"), []);
    await t.shot(`events-1024-${locale}`);
  });
}

test("below 1100 px it is modal: focus stays in it, keys walk, Escape returns", { viewport: { width: 900, height: 700 }, seconds: 90 }, async (t) => {
  await t.open("/?tenant=*&last=90d");
  await loaded(t);
  await t.page.locator("[role=grid]").focus();
  await t.page.keyboard.press("ArrowDown");
  await t.page.keyboard.press("Enter");
  const dialog = t.page.getByRole("dialog", { name: "事件详情" });
  await dialog.getByRole("tab").first().waitFor();
  assert.ok(await t.page.evaluate(() => document.activeElement.closest("dialog") !== null));
  for (let step = 0; step < 40; step += 1) {
    await t.page.keyboard.press("Tab");
    assert.ok(await t.page.evaluate(() => document.activeElement === document.body || document.activeElement.closest("dialog") !== null), "focus left the dialog");
  }
  const before = params(t).get("seq");
  await t.page.keyboard.press("j");
  await t.page.waitForFunction((seq) => new URL(location.href).searchParams.get("seq") !== seq, before);
  await t.page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.equal(await t.page.evaluate(() => document.activeElement.getAttribute("role")), "grid");
});

test("an event that is not there, and one that shares its id", { data: "special", seconds: 60 }, async (t) => {
  t.allow(/404/);
  await t.open("/?tenant=odd&event=nowhere");
  await drawer(t).getByRole("alert").filter({ hasText: "没有找到" }).waitFor();
});
