import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'
import { instruments } from './scripts/instruments.mjs'

// The build is embedded in the aggregator and served under `default-src 'self'`:
// nothing inline, no data: URLs, no request to another origin.
export default defineConfig({
  plugins: [svelte(), instruments(new URL('../../firmware-configs/sensors', import.meta.url).pathname)],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: { '/api': process.env.MINEWATCH_URL ?? 'http://127.0.0.1:8080' },
  },
})
