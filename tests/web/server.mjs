// Stores with data in them, and the real binary that serves them.

import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { specialRecords } from "./corpus.mjs";

/** The binary. */
export const BINARY = process.env.ANNALS_BIN ?? new URL("../../target/debug/annals", import.meta.url).pathname;
const EVENTS = Number(process.env.ANNALS_WEB_EVENTS ?? 30_000);
const READY_MS = 60_000;

/** Everything made here goes away with the process. */
const root = mkdtempSync(join(tmpdir(), "annals-web-"));
const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  rmSync(root, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

function annals(words, input) {
  const done = spawnSync(BINARY, words, { input, maxBuffer: 1 << 30 });
  if (done.error) throw done.error;
  // 1 is also what an ingest answers that put records into quarantine, which some of ours are made for.
  if (done.status !== 0 && !(words[0] === "ingest" && done.status === 1)) {
    throw new Error(`annals ${words[0]} ended with ${done.status}: ${done.stderr}`);
  }
  return done.stdout;
}

/** Takes records (texts, one each, or one text of lines) in, each for its tenant. */
export function ingest(folder, records, tenantWords = ["--tenant-from", "project_id"]) {
  const input = Array.isArray(records) ? records.join("\n") + "\n" : records;
  annals(["ingest", "--data", folder, ...tenantWords, "-"], input);
}

const made = new Map();

/** The folder of a store with this data; made once. */
export function store(data) {
  if (!made.has(data)) {
    const folder = join(root, data);
    if (data === "generated") {
      // The period ends now, so that questions about the last hours find something.
      const end = new Date().toISOString();
      const words = ["generate", "--events", String(EVENTS), "--tenants", "8", "--days", "90", "--end", end];
      ingest(folder, annals(words));
    } else if (data === "special") {
      for (const [tenant, records] of specialRecords()) ingest(folder, records, ["--tenant", tenant]);
    } else if (data === "empty") {
      ingest(folder, "");
    } else {
      throw new Error(`there is no data named ${data}`);
    }
    made.set(data, folder);
  }
  return made.get(data);
}

/** Gives a store its first administrator, so that it asks who calls; answers the administrator's token. */
export function init(folder) {
  guarded.add(folder);
  annals(["init", "--data", folder]);
  return readFileSync(join(folder, "first-admin-token"), "utf8").trim();
}

/** Folders of stores whose servers ask who calls. */
const guarded = new Set();
let copies = 0;

/** A copy of the store that a test may change. */
export function ownStore(data) {
  const folder = join(root, `${data}-${++copies}`);
  cpSync(store(data), folder, { recursive: true });
  return folder;
}

/**
 * Serves a folder on a free port, or on `port`, with more flags of `annals serve`.
 * @returns {Promise<{url: string, folder: string, process: import("node:child_process").ChildProcess, kill: () => Promise<void>, restart: () => Promise<void>}>}
 */
export async function serve(folder, port = 0, flags = []) {
  const open = guarded.has(folder) ? [] : ["--auth", "none"];
  const child = spawn(BINARY, ["serve", "--data", folder, "--create", "--listen", `127.0.0.1:${port}`, ...open, ...flags], { stdio: ["ignore", "ignore", "pipe"] });
  running.add(child);
  const gone = new Promise((resolve) => child.once("exit", resolve));
  const url = await new Promise((resolve, reject) => {
    let said = "";
    const late = setTimeout(() => reject(new Error(`the server does not start: ${said}`)), READY_MS);
    child.stderr.on("data", (chunk) => {
      said += chunk;
      const found = /serving .* at (http:\/\/[^\s/]+)/.exec(said);
      if (found) (clearTimeout(late), resolve(found[1]));
    });
    gone.then(() => (clearTimeout(late), reject(new Error(`the server ended: ${said}`))));
  });
  const server = {
    url,
    folder,
    process: child,
    /** Ends it as a power cut would. */
    async kill() {
      child.kill("SIGKILL");
      await gone;
      running.delete(child);
    },
    /** Starts it again at the same address. */
    async restart() {
      if (child.exitCode === null && child.signalCode === null) await server.kill();
      const again = await serve(folder, Number(new URL(url).port), flags);
      server.process = again.process;
      server.kill = again.kill;
    },
  };
  return server;
}
