// Runs the unit tests (src/**/*.test.ts) with Node's own runner, three times: clocks are wrong in other time zones first.
// The sources are TypeScript, so they are transpiled by the build's own esbuild into a folder that is thrown away.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';

const tests = (folder) =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? tests(path) : name.endsWith('.test.ts') ? [path] : [];
  });

const out = mkdtempSync(join(tmpdir(), 'annals-web-test-'));
try {
  await build({
    entryPoints: tests('src'), outdir: out, bundle: true, platform: 'node', format: 'esm', target: 'node20',
    outExtension: { '.js': '.mjs' }, alias: { $lib: './src/lib' }, sourcemap: 'inline', logLevel: 'warning',
  });
  const built = readdirSync(out, { recursive: true }).filter((name) => name.endsWith('.test.mjs')).map((name) => join(out, name));
  let failed = false;
  for (const zone of ['UTC', 'Asia/Shanghai', 'America/New_York']) {
    const run = spawnSync(process.execPath, ['--enable-source-maps', '--test', ...built], { stdio: 'inherit', env: { ...process.env, TZ: zone } });
    failed ||= run.status !== 0;
  }
  process.exitCode = failed ? 1 : 0;
} finally {
  rmSync(out, { recursive: true, force: true });
}
