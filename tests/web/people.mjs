// Principals of a server that asks who one is, made by its first administrator, and how they sign in.

/** A principal with a token, made by the administrator. */
export async function person(t, name, grant, expiresIn = "1h") {
  const headers = { "content-type": "application/json" };
  await t.api("principals", { method: "POST", headers, body: JSON.stringify({ name, ...grant }) });
  return t.api(`principals/${name}/tokens`, { method: "POST", headers, body: JSON.stringify({ expires_in: expiresIn, note: "" }) });
}

/** Options of `t.api` to ask as somebody with this token. */
export const as = (made) => ({ headers: { authorization: `Bearer ${made.token}` } });

/** Who one is, in the head of the page. */
export const who = (t) => t.page.getByRole("button", { name: /当前身份/ });

/** Signs in by a link, as nobody else. */
export async function comeAs(t, token, path = "/") {
  await t.context.clearCookies();
  await t.page.goto("about:blank");
  await t.page.goto(`${t.url}${path}#token=${token}`);
  await who(t).waitFor();
}
