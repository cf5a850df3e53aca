// What is not the usual: nothing found, nothing there, a part that fails, a server that dies and comes back, a reload.

import { test, assert } from "./harness.mjs";

const loaded = (t) => t.page.waitForFunction(() => document.querySelector("[role=grid]") && !document.querySelector("[role=grid][aria-busy=true]") && document.querySelector("[role=row][data-seq]"), null, { timeout: 30_000 });
const total = (t, count) => t.page.waitForFunction((text) => document.querySelector(".total strong")?.innerText.includes(text), count.toLocaleString("en"), { timeout: 30_000 });

test("nothing found: the period, and how many there were without each condition", { seconds: 90 }, async (t) => {
  await t.open("/?tenant=*&last=90d&source=ECS&operator=nobody-of-that-name");
  await t.page.getByText("没有符合条件的事件").waitFor({ timeout: 30_000 });
  const { count } = await t.api("count?tenant=*&last=90d&source=ECS");
  const way = t.page.getByRole("button", { name: `：${count.toLocaleString("en")} 条` });
  await way.waitFor();
  assert.match(await way.innerText(), /操作用户/);
  await t.page.locator("[data-chip]", { hasText: "操作用户" }).getByText(`去掉此条件：${count.toLocaleString("en")}`).waitFor();
  await t.shot("events-empty");
  await way.click();
  await total(t, count);
});

test("nothing found: what would match is offered, and taken with one click", { seconds: 90 }, async (t) => {
  const top = await t.api("top?tenant=*&last=90d&field=event_name&size=1");
  const [{ value: name, count }] = top.values;
  await t.open(`/?tenant=*&last=90d&event_name=${name.toUpperCase()}`);
  await t.page.getByText("没有符合条件的事件").waitFor({ timeout: 30_000 });
  const all = await t.api(`count?tenant=*&event_name=${name}`);
  await t.page.getByRole("button", { name: new RegExp(`改为“.*${name}”：${all.count.toLocaleString("en")} 条`) }).click();
  await total(t, count);
  assert.equal(new URL(t.page.url()).searchParams.get("event_name"), name);
});

test("an empty store says what to do", { data: "empty", seconds: 60 }, async (t) => {
  await t.open("/");
  await t.page.getByText("这里还没有事件").waitFor();
  await t.page.getByText("annals ingest").waitFor();
});

test("one part fails: the others stay, the banner has the request, trying again works", { seconds: 180 }, async (t) => {
  t.allow(/500|Failed to load/);
  const problem = { status: 500, contentType: "application/problem+json", headers: { "X-Request-Id": "req-4711" }, body: JSON.stringify({ type: "about:blank", title: "Internal Server Error", status: 500, detail: "segment 7 cannot be read" }) };
  for (const [pattern, part] of [[/\/api\/v1\/histogram/, "直方图"], [/\/api\/v1\/facets/, "分面"], [/\/api\/v1\/count/, "总数"]]) {
    await t.page.route(pattern, (route) => route.fulfill(problem));
    await t.open("/?tenant=*&last=90d");
    await loaded(t);
    const banner = t.page.getByRole("alert").filter({ hasText: part });
    await banner.waitFor();
    assert.match(await banner.innerText(), /req-4711/);
    assert.match(await banner.innerText(), /segment 7 cannot be read/);
    assert.ok((await t.page.locator("[role=row][data-seq]").count()) > 5);
    await t.page.unroute(pattern);
    await banner.getByRole("button", { name: "重试" }).click();
    await banner.waitFor({ state: "detached" });
  }
  // The next page of the list.
  await t.page.route(/\/api\/v1\/events\?.*cursor=/, (route) => route.fulfill(problem));
  await t.open("/?tenant=*&last=90d&source=ECS");
  const banner = t.page.getByRole("alert").filter({ hasText: "下一页" });
  await banner.waitFor();
  assert.ok((await t.page.locator("[role=row][data-seq]").count()) > 5);
  assert.ok(!(await t.page.locator(".after").innerText()).includes("已到末尾"), "an end that the server did not say");
  await t.page.unroute(/\/api\/v1\/events\?.*cursor=/);
  await banner.getByRole("button", { name: "重试" }).click();
  await banner.waitFor({ state: "detached" });
});

test("a question that the server refuses is shown with the parameter, the old rows stay dimmed", { seconds: 60 }, async (t) => {
  t.allow(/400|Failed to load/);
  await t.open("/?tenant=*&last=90d");
  await loaded(t);
  await t.page.evaluate(() => { history.pushState(null, "", "/?tenant=*&last=90d&source_ip=10.0.0.0/99"); dispatchEvent(new PopStateEvent("popstate")); });
  const banner = t.page.getByRole("alert").filter({ hasText: "列表" });
  await banner.waitFor();
  assert.match(await banner.innerText(), /source_ip/);
  assert.ok(await t.page.locator("[role=grid].dimmed").count());
});

test("the server dies and comes back: rows stay, the page says so and goes on by itself", { own: true, seconds: 120 }, async (t) => {
  t.allow(/ERR_|Failed to load|502|500/);
  await t.open("/?tenant=*&last=90d");
  await loaded(t);
  const first = () => t.page.locator('[role=row][data-at="0"]').getAttribute("data-seq");
  const before = await first();
  await t.page.locator('section[aria-label="事件级别"] li .name').first().waitFor({ timeout: 30_000 });
  await t.server.kill();
  await t.page.locator('section[aria-label="事件级别"] li .name').first().click();
  await t.page.getByRole("alert").filter({ hasText: "连接不到服务器" }).first().waitFor({ timeout: 20_000 });
  assert.equal(await first(), before);
  assert.ok(await t.page.locator("[role=grid].dimmed").count());
  await t.shot("events-server-gone");
  await t.server.restart();
  await t.page.waitForFunction(() => !document.querySelector("[role=alert]") && document.querySelector("[role=grid]:not(.dimmed)"), null, { timeout: 60_000 });
  const { count } = await t.api("count?tenant=*&last=90d&level=normal");
  await total(t, count);
});

test("the server is away: one banner of the page, quiet words in its parts, one way to try again", { own: true, seconds: 120 }, async (t) => {
  t.allow(/ERR_|Failed to load|502|500/);
  await t.open("/?tenant=*&last=90d");
  await loaded(t);
  await t.page.locator('section[aria-label="事件级别"] li .name').first().waitFor({ timeout: 30_000 });
  await t.server.kill();
  await t.page.locator('section[aria-label="事件级别"] li .name').first().click();
  // List, facets, total and histogram.
  await t.page.waitForFunction(() => document.querySelectorAll("[data-away]").length === 4, null, { timeout: 30_000 });
  assert.equal(await t.page.getByRole("alert").count(), 1);
  assert.match(await t.page.getByRole("alert").innerText(), /连接不到服务器/);
  assert.equal(await t.page.getByRole("button", { name: "重试" }).count(), 1);
  assert.ok(await t.page.evaluate(() => document.documentElement.scrollHeight <= innerHeight), "the banner pushes nothing out of the window");
  await t.axe({ within: ".away" });
  await t.server.restart();
  await t.page.getByRole("button", { name: "重试" }).click({ timeout: 5_000 }).catch(() => {});
  await t.page.waitForFunction(() => !document.querySelector("[role=alert], [data-away]"), null, { timeout: 60_000 });
  const { count } = await t.api("count?tenant=*&last=90d&level=normal");
  await total(t, count);
});

test("a condition that cannot be asked: list, facets and histogram say so, and none waits for ever", { seconds: 60 }, async (t) => {
  await t.open("/?tenant=*&last=90d&nonsense=1");
  await t.page.waitForFunction(() => document.querySelectorAll("[data-not-asked]").length === 3);
  for (const part of ["aside.facets", ".timeline", "section.list"]) assert.match(await t.page.locator(part).locator("[data-not-asked]").innerText(), /没有查询：.*nonsense/);
  assert.equal(await t.page.locator(".skeleton, .timeline .wait").count(), 0);
  assert.equal(await t.page.locator('aside[aria-busy="true"]').count(), 0);
  await t.axe();
  // What was asked before stays, dimmed, and is not said to be the answer.
  await t.open("/?tenant=*&last=90d");
  await loaded(t);
  await t.page.locator(".total strong").waitFor({ timeout: 30_000 });
  await t.page.evaluate(() => { history.pushState(null, "", "/?tenant=*&last=90d&nonsense=1"); dispatchEvent(new PopStateEvent("popstate")); });
  await t.page.locator(".timeline [data-not-asked]").waitFor();
  assert.ok(await t.page.locator("[role=grid].dimmed").count());
  assert.equal(await t.page.locator(".total strong").count(), 0, "the former count is no answer to this question");
  await t.page.getByRole("button", { name: "分页模式" }).click();
  await t.page.locator(".paged [data-not-asked]").waitFor();
});

test("reload, Back and Forward show the same", { seconds: 90 }, async (t) => {
  await t.open("/?tenant=*&last=90d");
  await loaded(t);
  await t.page.locator('section[aria-label="事件来源"] li .name').first().click();
  await loaded(t);
  await t.page.locator('[role=row][data-seq] [data-column="0"]').nth(3).click();
  await t.page.getByRole("tab", { name: "记录" }).click();
  const address = t.page.url();
  const text = await t.page.getByRole("tree").innerText();
  await t.page.reload();
  await t.page.getByRole("tree").waitFor();
  assert.equal(t.page.url(), address);
  assert.equal(await t.page.getByRole("tree").innerText(), text);
  await t.page.goBack();
  await t.page.getByRole("complementary", { name: "事件详情" }).waitFor({ state: "detached" });
  await t.page.goForward();
  await t.page.getByRole("tree").waitFor();
});

test("hostile texts in every field stay texts, in list, menus, drawer and chips", { data: "special", seconds: 240 }, async (t) => {
  await t.open("/?tenant=xss&cols=time,event_name,source,resource_type,resource_name,operator,source_ip,code");
  await loaded(t);
  const { events } = await t.api("events?tenant=xss&limit=1000&fields=trace_id,seq,operator");
  for (const event of events.filter((_, at) => at % 15 === 0)) {
    for (const tab of ["fields", "record", "raw", "related"]) {
      await t.page.evaluate(([id, seq, name]) => { history.pushState(null, "", `/?tenant=xss&event=${encodeURIComponent(id)}&seq=${seq}&tab=${name}`); dispatchEvent(new PopStateEvent("popstate")); }, [event.trace_id, String(event.seq), tab]);
      await t.page.waitForTimeout(60);
    }
  }
  for (const event of events.slice(0, 6)) {
    if (!event.operator) continue;
    await t.open(`/?tenant=xss&operator=${encodeURIComponent(event.operator)}&~resource_name=${encodeURIComponent(event.operator)}&text=${encodeURIComponent('"a"')}`);
    await t.page.locator("[data-chip]").first().waitFor();
  }
  assert.deepEqual(t.trouble(), []);
});

test("live region: a thousand new events are told in a few words", { own: true, seconds: 90 }, async (t) => {
  await t.open("/?tenant=*&last=90d");
  await loaded(t);
  await t.page.locator('[role=row][data-seq] [data-column="0"]').first().click();
  await t.page.evaluate(() => {
    window.said = [];
    new MutationObserver(() => window.said.push(document.querySelector("[aria-live=polite]").innerText)).observe(document.querySelector("[aria-live=polite]"), { childList: true, characterData: true, subtree: true });
  });
  await t.page.getByRole("button", { name: "实时" }).click();
  for (let batch = 0; batch < 5; batch += 1) {
    const lines = Array.from({ length: 200 }, (_, at) => JSON.stringify({ trace_id: `flood-${batch}-${at}`, trace_name: "flood", service_type: "ECS", resource_type: "ecs", trace_type: "ApiCall", trace_rating: "normal", user: { name: "li" }, time: Date.now() + at })).join("\n");
    await t.api("events?tenant=flood", { method: "POST", body: `${lines}\n`, headers: { "Content-Type": "application/x-ndjson" } });
    await t.page.waitForTimeout(2_000);
  }
  const said = await t.page.evaluate(() => window.said.filter((text) => text !== ""));
  assert.ok(said.length <= 3, said.join(" | "));
});
