// Debian's Chromium, driven by playwright-core.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const options = {
  executablePath: '/usr/bin/chromium',
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
};

/** A browser whose windows have nothing in common. */
export function launch() {
  return chromium.launch(options);
}

/** A browser with an empty profile. `close` removes it. @param {object} [more] */
export async function openBrowser(more = {}) {
  const profile = mkdtempSync(join(tmpdir(), 'kith-test-chromium-'));
  const context = await chromium.launchPersistentContext(profile, { ...options, ...more });
  return {
    context,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
