// Refuses what the page's security policy forbids, before a browser does: markup from text, inline styles, code from
// text, foreign addresses. Also holds files to their size. `node scripts/lint.mjs --self-test` plants each fault and
// fails if one goes unseen.
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const RULES = [
  [/\{@html\b/, 'markup from text ({@html})'],
  [/\b(innerHTML|outerHTML|insertAdjacentHTML|srcdoc|document\.write)\b/, 'markup from text'],
  [/<[a-zA-Z][^>]*\sstyle="[^"{]*"/, 'a literal style attribute (use a class, or style:name={value})'],
  [/\beval\s*\(|\bnew Function\s*\(|setTimeout\(\s*['"`]/, 'code from text'],
  [/\bnew (Shared)?Worker\b|serviceWorker/, 'a worker'],
  [/["'`(]data:/, 'a data: address'],
  [/\bhref=\{(?!['"`/]|link|href|to|url)/, 'an address that was not made by the router'],
  [/https?:\/\/(?!127\.0\.0\.1|localhost|www\.w3\.org)/, 'an address of another host'],
];
const LINES_MAX = 400;

function faults(name, text) {
  const found = [];
  const lines = text.split('\n');
  if (lines.length > LINES_MAX + 1 && !name.endsWith('schema.d.ts')) found.push(`${name}: ${lines.length} lines, at most ${LINES_MAX}`);
  lines.forEach((line, at) => {
    if (/^\s*(\/\/|\*|<!--)/.test(line)) return;
    for (const [pattern, what] of RULES) if (pattern.test(line)) found.push(`${name}:${at + 1}: ${what}`);
  });
  return found;
}

function files(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return files(path);
    return /\.(ts|svelte|css|html)$/.test(name) && !name.endsWith('.test.ts') ? [path] : [];
  });
}

if (process.argv.includes('--self-test')) {
  const planted = ['{@html x}', 'a.innerHTML = b', '<p style="color:red">', 'eval (x)', 'new Worker(a)', "src='data:x'", 'href={event.link2}'.replace('link2', 'x'), '"https://example.com"'];
  const unseen = planted.filter((text) => faults('planted.svelte', text).length === 0);
  if (unseen.length > 0) {
    console.error('not seen:', unseen);
    process.exit(1);
  }
  console.log(`${planted.length} planted faults seen`);
} else {
  const found = [...files('src'), 'index.html'].flatMap((path) => faults(path, readFileSync(path, 'utf8')));
  for (const fault of found) console.error(fault);
  if (found.length > 0) process.exit(1);
}
