// What stands in a record is shown as text, wherever it stands: scripts in every field, name and key, all views opened.

import { attacks, assert, test } from "./harness.mjs";

const ROUTES = ["/", "/dashboards", "/quota", "/relation", "/store"];
const SETTLED_MS = 200;

/** Nothing of a record became an element of the page. */
async function nothingOfRecords(page) {
  const found = await page.evaluate(() => {
    const wrong = [];
    for (const node of document.querySelectorAll("*")) {
      const name = node.localName;
      if (["iframe", "object", "embed", "base", "math", "marquee", "frame", "portal"].includes(name)) wrong.push(`<${name}>`);
      if (name === "script" && !node.src.startsWith(location.origin)) wrong.push("<script>");
      if (name === "meta" && node.httpEquiv !== "") wrong.push(`<meta ${node.httpEquiv}>`);
      for (const attribute of node.attributes) {
        if (/^on/i.test(attribute.name)) wrong.push(`<${name} ${attribute.name}>`);
        if (["href", "src", "action", "formaction", "srcset", "xlink:href"].includes(attribute.name.toLowerCase())) {
          const url = new URL(attribute.value || "/", location.href);
          if (url.origin !== location.origin && url.protocol !== "blob:") wrong.push(`<${name} ${attribute.name}=${attribute.value.slice(0, 60)}>`);
        }
      }
    }
    return wrong;
  });
  assert.deepEqual(found, [], "a record became markup");
}

const visit = async (t, path) => {
  await t.open(path);
  await t.page.waitForTimeout(SETTLED_MS);
  await nothingOfRecords(t.page);
};

for (const locale of ["zh-CN", "en-US"]) {
  test(`every view shows records of attack as text (${locale})`, { data: "special", locale, seconds: 120 }, async (t) => {
    const { count } = await t.api("count?tenant=xss");
    assert.ok(count >= 5 * 200, `only ${count} records of attack were taken in`);
    for (const tenant of ["xss", "odd", "broken", "*"]) for (const route of ROUTES) await visit(t, `${route}?tenant=${encodeURIComponent(tenant)}&last=30d`);
  });
}

test("a line of attack as a filter, an id or a customer is text too", { data: "special", seconds: 180 }, async (t) => {
  const lines = attacks();
  for (const line of lines.filter((_, number) => number % 12 === 0)) {
    const value = encodeURIComponent(line);
    await visit(t, `/?tenant=xss&source=${value}&operator.not=${value}x`);
    await visit(t, `/quota?tenant=xss&id=${value}`);
    await visit(t, `/relation?tenant=xss&customer=${value}`);
  }
});

test("an event of attack, opened in every tab, is text", { data: "special", seconds: 180 }, async (t) => {
  const page = await t.api("events?tenant=xss&format=cts&limit=1000&fields=trace_id");
  const events = page.events.filter((_, number) => number % 14 === 0);
  assert.ok(events.length >= 15);
  for (const { trace_id } of events) {
    await t.open(`/?tenant=xss&event=${encodeURIComponent(trace_id)}`);
    const drawer = t.page.locator("aside:has([role=tab])").first();
    await drawer.waitFor();
    const tabs = drawer.getByRole("tab");
    for (let tab = 0; tab < (await tabs.count()); tab++) {
      await tabs.nth(tab).click();
      await t.page.waitForTimeout(60);
    }
    await nothingOfRecords(t.page);
  }
});

test("hostile parameters of the URL are answered, not believed", { data: "special", seconds: 180 }, async (t) => {
  t.allow(/status of 400/, /status of 404/);
  const hostile = [
    "tenant=%3Cimg%20src=x%20onerror=alert(1)%3E", "last=%3Cscript%3E", "tz=%22onload=alert(1)", "cols=__proto__,constructor,%3Csvg%20onload=alert(1)%3E",
    "event=..%2F..%2F", "tab=__proto__", "lang=%3Cscript%3E", "source=%00", "from=javascript:alert(1)", "text=%22", "sort=toString", "cursor=%3Cimg%3E",
    "__proto__=1&constructor=2", `source=${"x".repeat(3000)}`, "%E0%A4%A=1", "tenant=xss&tenant=*&tenant=",
  ];
  for (const route of ROUTES) for (const query of route === "/" ? hostile : hostile.slice(0, 6)) await visit(t, `${route}?${query}`);
});
