// Serves a page that was built apart from the binary, in front of the server: to test it without building the binary anew.
//
// The headers are those of the binary (src/api/web.rs), which the test "headers.mjs" holds against this list.

import { createReadStream, existsSync } from "node:fs";
import { createServer, request } from "node:http";
import { extname, join, normalize } from "node:path";

/** What every page of ours is answered with. */
export const HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; base-uri 'none'; " +
    "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};
/** The paths that the page is at. */
export const ROUTES = ["/", "/access", "/dashboards", "/quota", "/relation", "/store"];
const KINDS = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png" };

/** Answers with the files of `folder`, and with what `server.url` says for everything else. */
export async function front(folder, server) {
  const http = createServer((incoming, outgoing) => {
    const path = new URL(incoming.url, "http://x").pathname;
    const file = join(folder, normalize(ROUTES.includes(path) ? "/index.html" : path));
    if ((ROUTES.includes(path) || path.startsWith("/assets/")) && existsSync(file)) {
      outgoing.writeHead(200, { ...HEADERS, "content-type": KINDS[extname(file)] ?? "application/octet-stream" });
      createReadStream(file).pipe(outgoing);
      return;
    }
    const to = new URL(incoming.url, server.url);
    const { origin: _, ...headers } = incoming.headers;
    const asked = request(to, { method: incoming.method, headers: { ...headers, host: to.host } }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    asked.on("error", () => outgoing.destroy());
    outgoing.on("close", () => asked.destroy());
    incoming.pipe(asked);
  });
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${http.address().port}`, close: () => (http.closeAllConnections(), http.close()) };
}
