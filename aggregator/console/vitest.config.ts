import { defineConfig } from 'vitest/config'

// Only pure logic is tested here; the page itself is tested by e2e/ in a real browser.
export default defineConfig({ test: { environment: 'node', include: ['test/**/*.test.ts'] } })
