// A real OpenID provider, and a browser that signs in at it with its own forms.
//
//     node oidc.mjs PACKAGES PORT URL SECRET
//
// PACKAGES is the folder whose node_modules holds the packages of package.json, PORT the port of the provider, URL the
// server that people sign in to, and SECRET its secret at the provider; empty for a public client. Prints what the server
// said, as JSON.

import { pathToFileURL } from "node:url";

const [packages, port, url, secret] = process.argv.slice(2);
// It says on standard output which of its settings are for development: what this prints is JSON and nothing else.
console.info = console.warn = (...words) => console.error(...words);
const { Provider } = await import(pathToFileURL(`${packages}/node_modules/oidc-provider/lib/index.js`));

const PEOPLE = {
  wang: { groups: ["x", "auditors"], email: "wang@example.com", email_verified: true },
  li: { groups: ["auditors"] },
  zhao: { groups: [], email: "li@example.com", email_verified: false },
};
const redirect_uris = [`${url}/auth/callback`];
const annals = secret === ""
  ? { client_id: "annals", token_endpoint_auth_method: "none", redirect_uris }
  : { client_id: "annals", client_secret: secret, token_endpoint_auth_method: "client_secret_basic", redirect_uris };
const shipper = { client_id: "a-shipper", client_secret: "shipped", grant_types: ["client_credentials"], response_types: [], redirect_uris: [] };

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [annals, shipper],
  claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups"] },
  scopes: ["openid", "email", "groups"],
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  cookies: { keys: ["of a test"] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...PEOPLE[id] }) }),
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      getResourceServerInfo: () => ({ scope: "", audience: "urn:annals", accessTokenTTL: 300, accessTokenFormat: "jwt" }),
    },
  },
});
const listening = provider.listen(Number(port), "127.0.0.1");
await new Promise((ready) => listening.once("listening", ready));

/** A browser without pages: it keeps cookies, follows what leads on, and sends forms. */
class Browser {
  #cookies = new Map();

  async go(address, form) {
    for (let step = 0; step < 20; step++) {
      const at = new URL(address);
      const answer = await fetch(address, {
        redirect: "manual",
        method: form ? "POST" : "GET",
        headers: { cookie: this.#sent(at), ...(form ? { "content-type": "application/x-www-form-urlencoded" } : {}) },
        body: form ? new URLSearchParams(form).toString() : undefined,
      });
      this.#keep(at, answer.headers.getSetCookie());
      const to = answer.headers.get("location");
      if (to === null) return { address, text: await answer.text(), status: answer.status };
      address = new URL(to, address).href;
      form = undefined;
    }
    throw new Error(`${address} leads round and round`);
  }

  #sent(at) {
    const own = [...this.#cookies.values()].filter(({ origin, path }) => origin === at.origin && at.pathname.startsWith(path));
    return own.map(({ name, value }) => `${name}=${value}`).join("; ");
  }

  #keep(at, set) {
    for (const cookie of set) {
      const [pair, ...attributes] = cookie.split(/;\s*/);
      const [name, value] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
      const path = attributes.find((one) => /^path=/i.test(one))?.slice(5) ?? "/";
      const ends = attributes.some((one) => /^max-age=0$/i.test(one)) || value === "";
      if (ends) this.#cookies.delete(`${at.origin} ${name}`);
      else this.#cookies.set(`${at.origin} ${name}`, { origin: at.origin, name, value, path });
    }
  }
}

const action = ({ address, text }) => new URL(/<form[^>]* action="([^"]+)"/.exec(text)[1], address).href;
const page = ({ address, text }) => {
  const to = /http-equiv="refresh" content="0;url=([^"]+)"/.exec(text);
  if (to === null) throw new Error(`${address}: ${text}`);
  return to[1].replaceAll("&amp;", "&");
};
const me = async (browser) => JSON.parse((await browser.go(`${url}/api/v1/me`)).text);

async function signIn(login, returnTo) {
  const browser = new Browser();
  let at;
  // The server may not have asked its provider yet.
  for (let tries = 0; tries < 50; tries++) {
    at = await browser.go(`${url}/auth/login?return_to=${encodeURIComponent(returnTo)}`);
    if (!at.text.includes("sign_in=unavailable")) break;
    await new Promise((later) => setTimeout(later, 100));
  }
  if (login === null) {
    at = await browser.go(new URL(/href="([^"]+\/abort)"/.exec(at.text)[1], at.address).href);
    return { page: page(at) };
  }
  at = await browser.go(action(at), { prompt: "login", login, password: "any" });
  at = await browser.go(action(at), { prompt: "consent" });
  return { page: page(at), me: await me(browser) };
}

async function program() {
  const answer = await fetch(`http://127.0.0.1:${port}/token`, {
    method: "POST",
    headers: { authorization: `Basic ${btoa("a-shipper:shipped")}` },
    body: new URLSearchParams({ grant_type: "client_credentials", resource: "urn:annals" }),
  });
  const { access_token } = await answer.json();
  return (await fetch(`${url}/api/v1/me`, { headers: { authorization: `Bearer ${access_token}` } })).json();
}

const said = {
  member: await signIn("wang", "/?tenant=t&last=7d"),
  subject: await signIn("li", "/"),
  unknown: await signIn("zhao", "/"),
  aborted: await signIn(null, "/"),
  program: await program(),
};
console.log(JSON.stringify(said));
process.exit(0);
