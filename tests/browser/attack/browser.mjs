// The browser under attack: Debian's Chromium, as a person would run it but for the window.
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const CHROMIUM = process.env.KITH_CHROMIUM ?? '/usr/bin/chromium';

/**
 * A browser with a profile of its own, not a private window: that would look less far ahead than
 * people's browsers do. It asks no name server.
 * @param {string} profile An empty folder. @param {string[]} [more] More switches.
 */
export function launch(profile, more = []) {
  if (!existsSync(CHROMIUM)) throw new Error(`${CHROMIUM} is not there: install Debian's package chromium.`);
  return chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--disable-popup-blocking',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE *.localhost, EXCLUDE localhost, EXCLUDE 127.0.0.1', ...more],
  });
}
