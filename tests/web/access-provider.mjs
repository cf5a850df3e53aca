// Signing in at an OpenID provider, on another site as it always is: the session's cookie is `SameSite=Strict`, and must be
// sent with the first page after the way back.

import { createHash, createSign, generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { assert, test } from "./harness.mjs";

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const encoded = (json) => Buffer.from(JSON.stringify(json)).toString("base64url");
const codes = new Map();
/** What the next sign-in ends with: the claims of somebody, or an error. */
let next = { sub: "none" };

const provider = createServer((asked, answer) => {
  const at = new URL(asked.url, issuer);
  const say = (json, status = 200) => answer.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(json));
  if (at.pathname === "/.well-known/openid-configuration") {
    say({ issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/keys` });
  } else if (at.pathname === "/keys") {
    say({ keys: [{ ...publicKey.export({ format: "jwk" }), kid: "k", use: "sig", alg: "RS256" }] });
  } else if (at.pathname === "/authorize") {
    // A page of its own first, as where one types a password: what leads back is a click.
    const back = new URL(at.searchParams.get("redirect_uri"));
    back.searchParams.set("state", at.searchParams.get("state"));
    if (next.error) back.searchParams.set("error", next.error);
    else {
      const code = randomUUID();
      codes.set(code, { ...next, nonce: at.searchParams.get("nonce"), challenge: at.searchParams.get("code_challenge") });
      back.searchParams.set("code", code);
    }
    answer.writeHead(200, { "content-type": "text/html" }).end(`<!doctype html><title>provider</title><link rel="icon" href="data:,"><a href="${back.href.replaceAll("&", "&amp;")}">back</a>`);
  } else if (at.pathname === "/token") {
    let form = "";
    asked.on("data", (chunk) => (form += chunk)).on("end", () => {
      const sent = new URLSearchParams(form);
      const { challenge, ...claims } = codes.get(sent.get("code")) ?? {};
      if (challenge !== createHash("sha256").update(sent.get("code_verifier")).digest("base64url")) return say({ error: "invalid_grant" }, 400);
      const now = Math.floor(Date.now() / 1_000);
      const signed = `${encoded({ alg: "RS256", kid: "k" })}.${encoded({ iss: issuer, aud: "annals", iat: now, exp: now + 60, ...claims })}`;
      say({ id_token: `${signed}.${createSign("RSA-SHA256").update(signed).sign(privateKey, "base64url")}`, access_token: "a", token_type: "Bearer" });
    });
  } else say({}, 404);
});
await new Promise((ready) => provider.listen(0, "127.0.0.2", ready));
provider.unref();
const issuer = `http://127.0.0.2:${provider.address().port}`;
const options = { data: "empty", own: true, principals: true, seconds: 120, flags: ["--oidc-issuer", issuer, "--oidc-client-id", "annals"] };

const link = (t) => t.page.getByRole("link", { name: /身份提供方.*127\.0\.0\.2/ });
const who = (t) => t.page.getByRole("button", { name: /当前身份/ });

async function auditors(t) {
  t.allow(/status of 40[013]/, /asked another host: http:\/\/127\.0\.0\.2/);
  const body = JSON.stringify({ name: "auditors", roles: ["auditor"], tenants: ["*"], identities: ["oidc:group:auditors"] });
  await t.api("principals", { method: "POST", headers: { "content-type": "application/json" }, body });
}

test("somebody signs in at the provider and is at the page that they had opened", options, async (t) => {
  await auditors(t);
  next = { sub: "1", email: "li@example.com", email_verified: true, groups: ["auditors"] };
  await t.open("/store?tz=UTC");
  await link(t).waitFor();
  await t.axe();
  await t.shot("access-provider");
  await link(t).click();
  await t.page.getByRole("link", { name: "back" }).click();
  await who(t).waitFor();
  assert.match(await who(t).innerText(), /auditors\/li@example\.com/);
  const at = new URL(t.page.url());
  assert.equal(at.origin + at.pathname + at.search, `${t.url}/store?tz=UTC`);
  const cookies = await t.context.cookies(t.url);
  assert.ok(cookies.length === 1 && cookies[0].httpOnly && cookies[0].sameSite === "Strict", JSON.stringify(cookies));
  // The code is in no entry of the history that one can go back to.
  await t.page.goBack();
  assert.ok(!t.page.url().includes("code="), t.page.url());
});

test("why a sign-in at the provider failed is said, and nothing of it stays in the address", options, async (t) => {
  await auditors(t);
  for (const [answer, words] of [[{ error: "access_denied" }, "没有允许登录"], [{ sub: "2" }, "这里没有您的身份"], [{ error: "server_error" }, "不可信"]]) {
    next = answer;
    await t.open("/?tenant=*");
    await link(t).click();
    await t.page.getByRole("link", { name: "back" }).click();
    await t.page.getByRole("alert").getByText(words).waitFor();
    assert.ok(!t.page.url().includes("sign_in"), t.page.url());
  }
  await t.page.goto(`${t.url}/#sign_in=${encodeURIComponent("call 555 now")}`);
  await t.page.getByRole("alert").getByText("不可信").waitFor();
  assert.equal(await t.page.getByText("555").count(), 0, "words of a link are not words of the page");
});

test("who is at a page that was in use signs in beside it", options, async (t) => {
  await auditors(t);
  next = { sub: "1", groups: ["auditors"] };
  await t.open("/");
  await link(t).click();
  await t.page.getByRole("link", { name: "back" }).click();
  await who(t).waitFor();
  await t.context.clearCookies();
  // What the page asks by itself may have met the end of the session already, and the dialog would
  // lie over the button: a real click waits for it for ever.
  await t.page.getByRole("button", { name: "查询", exact: true }).dispatchEvent("click");
  const dialog = t.page.getByRole("dialog");
  const [other] = await Promise.all([t.context.waitForEvent("page"), dialog.getByRole("link", { name: /127\.0\.0\.2/ }).click()]);
  await other.getByRole("link", { name: "back" }).click();
  await other.getByRole("button", { name: /当前身份/ }).waitFor();
  await other.close();
  await t.page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await dialog.waitFor({ state: "detached" });
});
