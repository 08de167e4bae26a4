// Draws docs/picture.png: Chat as two people of `kith demo` see it.
// Run it by `node tests/browser/picture.mjs` after `cargo build`.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

import { openBrowser } from './lib/browser.mjs';

const ROOT = resolve(import.meta.dirname, '../..');
const KITH = process.env.KITH_BIN ?? join(ROOT, 'target/debug/kith');
/** What is said, by whom: 0 is Ada, 1 is Ben, 2 is Cleo. */
const TALK = /** @type {[number, string][]} */ ([
  [0, 'The projector is booked for Friday. Shall I bring the seeds from last year, too?'],
  [1, 'Yes, please. I have room for two trays on the balcony.'],
  [2, 'No internet in the garden house, but we share the LAN there. It still works.'],
  [0, 'It does. I wrote this on the train, and you had it as soon as I came in.'],
]);

const demo = spawn(KITH, ['demo', '--json', '--no-open'], { stdio: ['ignore', 'pipe', 'inherit'] });
const people = await new Promise((done) => {
  /** @type {{ name: string, url: string }[]} */
  const seen = [];
  createInterface({ input: demo.stdout }).on('line', (line) => {
    if (seen.push(JSON.parse(line)) === 3) done(seen);
  });
});
const browser = await openBrowser({ viewport: { width: 520, height: 620 }, deviceScaleFactor: 2 });
try {
  const pages = [];
  for (const person of people) {
    const page = await browser.context.newPage();
    await page.goto(person.url);
    await page.getByRole('textbox').first().waitFor();
    pages.push(page);
  }
  for (const [who, text] of TALK) {
    const page = pages[who];
    await page.getByRole('textbox').first().fill(text);
    await page.keyboard.press('Enter');
    await Promise.all(pages.map((other) => other.getByText(text).first().waitFor()));
  }
  const shots = [];
  for (const page of pages.slice(0, 2)) shots.push((await page.screenshot()).toString('base64'));
  const sheet = await browser.context.newPage();
  await sheet.setViewportSize({ width: 1120, height: 680 });
  await sheet.setContent(`<style>
    body { margin: 0; height: 680px; display: flex; gap: 24px; align-items: center; justify-content: center; background: #e7eae6 }
    img { width: 520px; height: 620px; border-radius: 12px; box-shadow: 0 4px 24px #0003 }
  </style>${shots.map((shot) => `<img src="data:image/png;base64,${shot}">`).join('')}`);
  writeFileSync(join(ROOT, 'docs/picture.png'), await sheet.screenshot({ scale: 'css' }));
} finally {
  await browser.close();
  demo.kill('SIGINT');
}
