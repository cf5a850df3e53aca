// A stand-in for the calls of access control, in front of the real server: it knows principals by their tokens, and answers
// 401 and 403 as the server does. For states that a server cannot be brought into quickly (a session that ends in the
// middle of something), and for what the page sends.

const NOW = "2026-11-20T08:00:00.000Z";
const READS = ["reader", "auditor", "tenant_administrator"];
const EVENTS = /^\/api\/v1\/(events|count|facets|histogram|top|stats|values|views)\b/;

export const PEOPLE = {
  alice: { name: "alice", roles: ["auditor"], tenants: ["*"] },
  rita: { name: "rita", roles: ["reader"], tenants: ["acme"] },
  part: { name: "part", roles: ["reader"], tenants: ["acme"], rows: { source: ["ECS"] }, masks: { source_ip: "last4", access_key_id: "hide" }, from: "2026-01-01T00:00:00Z" },
  sec: { name: "sec", roles: ["security_administrator"], tenants: [] },
  sys: { name: "sys", roles: ["system_administrator"], tenants: [] },
  trail: { name: "trail", roles: ["audit_administrator"], tenants: [] },
  pump: { name: "pump", roles: ["ingest"], tenants: ["acme"] },
};

const EVIDENCE = { kind: "coupon_recall", says: "ended", at: "2026-03-01T00:00:00.000Z", known: NOW, effect: "contradicts", tenant: "acme", trace_id: "coupon-record:1" };
export const RELATIONSHIPS = [
  { id: "rel-000001", partner: "p1", customer: "c1", tenants: ["acme"], from: "2026-01-01T00:00:00.000Z", to: "2026-02-01T00:00:00.000Z", state: "recorded", evidence: [EVIDENCE], missing: ["budget_deletion"], contradicts: [EVIDENCE] },
  { id: "rel-000002", partner: "p1", customer: "c2", manager: "m1", tenants: ["acme"], from: "2026-05-01T00:00:00.000Z", state: "recorded", waiting: { from: "2026-04-01T00:00:00.000Z" }, evidence: [], missing: [], contradicts: [] },
  { id: "rel-000003", partner: "d1", reseller: "p1", tenants: ["acme"], from: "2026-01-01T00:00:00.000Z", state: "withdrawn", evidence: [], missing: [], contradicts: [] },
];

/**
 * Stands in from now on. `as` is who is signed in, null for nobody. `asked` keeps what was asked of it, each as
 * `{ method, path, body }`, and `refused` those that were answered 403; `principals`, `tokens`, `sessions`, `relationships` (of which it gives
 * `page` at a time), `standings` of tenants, `oidc` are what it has; `fail` may answer a call with an error.
 */
export async function standIn(t, as = null) {
  const stub = {
    as, asked: [], refused: [], fail: () => null, oidc: null, page: 1_000,
    principals: Object.values(PEOPLE).map((one) => ({ ...one })),
    tokens: { alice: [{ id: "tok1", principal: "alice", created: NOW, created_by: "sec", expires: "2026-11-21T08:00:00.000Z", note: "laptop", last_used: null }] },
    relationships: RELATIONSHIPS.map((one) => ({ ...one })), standings: {},
    sessions: [{ id: "s1", principal: "alice", created: NOW, last_used: NOW, address: "10.0.0.9" }, { id: "s2", principal: "sec", created: NOW, last_used: NOW, address: null }],
  };
  const problem = (status, detail, parameter) => ({ status, json: { title: "problem", status, detail, ...(parameter ? { parameter } : {}) } });
  const me = () => ({ ...PEOPLE[stub.as], credentials: true });
  const login = ({ token }) => {
    const name = /^annals_(\w+)$/.exec(token)?.[1];
    if (name === "old") return problem(401, "the token expired on 2026-11-01");
    if (!(name in PEOPLE)) return problem(401, "there is no such token: mistyped, or withdrawn");
    stub.as = name;
    return { json: me() };
  };
  const administer = (method, [what, name, more, id], body) => {
    const has = stub.principals.find((one) => one.name === name);
    if (what === "sessions") {
      if (method === "GET") return { json: { sessions: stub.sessions } };
      stub.sessions = stub.sessions.filter((one) => one.id !== name);
      return { status: 204 };
    }
    if (name === undefined) {
      if (method === "GET") return { json: { principals: stub.principals } };
      if (stub.principals.some((one) => one.name === body.name)) return problem(409, "there is a principal of this name");
      if (body.name.includes(" ")) return problem(400, "a name has no white space", "name");
      if (body.tenants.includes("!")) return problem(400, "there cannot be a tenant !", "tenants");
      stub.principals.push(body);
      return { status: 201, json: body };
    }
    if (more === "tokens") {
      const list = (stub.tokens[name] ??= []);
      if (method === "GET") return { json: { tokens: list } };
      if (method === "DELETE") return (stub.tokens[name] = list.filter((one) => one.id !== id)), { status: 204 };
      if (!/^(\d+[hd]|never)$/.test(body.expires_in)) return problem(400, "a span is a number and h or d", "expires_in");
      const expires = body.expires_in === "never" ? null : "2027-02-18T08:00:00.000Z";
      list.push({ id: `new${list.length}`, principal: name, created: NOW, created_by: stub.as, expires, note: body.note, last_used: null });
      return { status: 201, json: { id: "new", token: `annals_${"x".repeat(40)}`, expires } };
    }
    if (!has) return problem(404, "there is no such principal");
    if (method === "PATCH") {
      for (const [key, value] of Object.entries(body)) if (value === null) delete has[key]; else has[key] = value;
      return { json: has };
    }
    if (name === stub.as) return problem(403, "nobody removes themselves");
    stub.principals = stub.principals.filter((one) => one !== has);
    return { status: 204 };
  };
  /** `GET /api/v1/relationships`, and `PATCH` and `POST` of one. */
  const relate = (method, [, id, call], body, query) => {
    if (method === "GET") {
      const asked = ["partner", "customer", "reseller", "manager"].filter((party) => query.has(party));
      const left = stub.relationships.filter((one) => one.id > (query.get("after") ?? "") && asked.every((party) => one[party] === query.get(party)));
      const page = left.slice(0, stub.page);
      return { json: { relationships: page, next: left.length > page.length ? page.at(-1).id : null } };
    }
    const has = stub.relationships.find((one) => one.id === id);
    if (!has) return problem(404, "there is no such relationship");
    if (call === "withdraw") has.waiting ? delete has.waiting : (has.state = "withdrawn");
    else if (call === "confirm") (Object.assign(has, has.waiting), delete has.waiting);
    else Object.assign(has, body);
    return { json: has };
  };
  const answer = (method, path, body, query) => {
    const failed = stub.fail(method, path, body);
    if (failed) return problem(failed.status, failed.detail, failed.parameter);
    if (path === "/auth/login") return login(body);
    if (path === "/auth/methods") return { json: { token: true, oidc: stub.oidc } };
    if (path === "/auth/logout") return (stub.as = null), { status: 204 };
    if (stub.as === null) return problem(401, "sign in");
    if (path === "/api/v1/me") return { json: me() };
    const { roles } = PEOPLE[stub.as];
    if (/^\/api\/v1\/(principals|sessions)\b/.test(path)) {
      if (!roles.includes("security_administrator")) return problem(403, "security administrators only");
      return administer(method, path.split("/").slice(3).map(decodeURIComponent), body);
    }
    if (path.startsWith("/api/v1/relationships")) {
      if (!roles.includes("security_administrator")) return problem(403, "security administrators only");
      return relate(method, path.split("/").slice(3), body, query);
    }
    const tenant = /^\/api\/v1\/tenants\/([^/]+)$/.exec(path)?.[1];
    if (tenant !== undefined) {
      if (!roles.includes("security_administrator")) return problem(403, "security administrators only");
      const standing = (stub.standings[tenant] ??= { tenant, undated: "refuse", authoritative: false, partners: [], customers: [] });
      return { json: Object.assign(standing, body) };
    }
    if (path === "/api/v1/status" && !roles.includes("system_administrator")) return problem(403, "system administrators only");
    if (path.startsWith("/api/v1/quarantine") && !roles.some((role) => READS.slice(1).includes(role))) return problem(403, "you may not see quarantine");
    if (EVENTS.test(path) && !roles.some((role) => READS.includes(role)) && !roles.includes("audit_administrator")) return problem(403, "you may not read events");
    return null;
  };
  await t.context.route(/\/(api|auth)\//, async (route) => {
    const request = route.request();
    const { pathname: path, searchParams } = new URL(request.url());
    const body = request.postData() === null ? undefined : request.postDataJSON();
    stub.asked.push({ method: request.method(), path, body });
    const said = answer(request.method(), path, body, searchParams);
    if (said?.status === 403) stub.refused.push(path);
    return said === null ? route.fallback() : route.fulfill(said);
  });
  t.allow(/status of 40[0139]/);
  return stub;
}
