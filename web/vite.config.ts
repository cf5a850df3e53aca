// The build: one page, hashed assets, nothing inline, so that it runs under the policy the server sends.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const server = process.env['ANNALS_URL'] ?? 'http://127.0.0.1:7400';
// The server refuses pages of other origins, so the proxy speaks in its name.
const proxy = Object.fromEntries(
  ['/api', '/auth', '/livez', '/readyz', '/metrics'].map((path) => [path, { target: server, changeOrigin: true, headers: { origin: server } }]),
);

export default defineConfig({
  plugins: [svelte()],
  resolve: { alias: { $lib: fileURLToPath(new URL('./src/lib', import.meta.url)) } },
  build: {
    outDir: process.env['ANNALS_WEB_OUT'] ?? 'dist',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: { proxy, port: 5173, strictPort: true },
  preview: { proxy, port: 4173 },
});
