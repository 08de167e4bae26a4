// From a link to the first paint of an app that is not here yet, beside the same files over plain HTTP.
// Prints one JSON object per figure; `cargo xtask bench` makes the page of them.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';

import { launch } from './lib/browser.mjs';
import { KithNode } from './lib/node.mjs';

/** Samples of each figure. */
const RUNS = 9;
/** Bytes of the app's files together; the paint waits for all of them, and half don't compress. */
const APP_BYTES = 500_000;
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.bin': 'application/octet-stream' };

const html = '<!doctype html><meta charset="utf-8"><title>Paint</title><script type="module" src="app.js"></script>';
const draw = "await (await fetch('rest.bin')).arrayBuffer();\n"
  + "document.body.append(Object.assign(document.createElement('h1'), { textContent: 'Here' }));\n";
const rest = randomBytes(APP_BYTES / 2);
const files = new Map(Object.entries({
  'index.html': Buffer.from(html),
  'app.js': Buffer.from(draw + code(APP_BYTES - html.length - draw.length - rest.length)),
  'rest.bin': rest,
  'manifest.toml': Buffer.from('name = "Paint"\n'),
}));

/** So many bytes of JavaScript, of lines that are not alike. @param {number} length */
function code(length) {
  let lines = '';
  for (let n = 0; lines.length < length; n++) lines += `export const value${n} = ${JSON.stringify(randomBytes(9).toString('hex'))};\n`;
  return lines.slice(0, lines.lastIndexOf('\n', length) + 1).padEnd(length, ' ');
}

/** Now, in ms since 1970, as the pages of this machine count it. */
const now = () => performance.timeOrigin + performance.now();

/** Times `navigate` to the page's first paint, in a fresh window of a warm browser.
 * @param {import('playwright-core').Browser} browser @param {(page: import('playwright-core').Page) => Promise<unknown>} navigate */
async function firstPaint(browser, navigate) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const started = now();
    await navigate(page);
    await page.getByRole('heading', { name: 'Here' }).waitFor();
    const painted = await page.evaluate(() => new Promise((/** @type {(at: number) => void} */ done) => {
      new PerformanceObserver((list) => {
        const paint = list.getEntriesByName('first-contentful-paint')[0];
        if (paint) done(performance.timeOrigin + paint.startTime);
      }).observe({ type: 'paint', buffered: true });
    }));
    return painted - started;
  } finally {
    await context.close();
  }
}

/** @param {string} what @param {string} goal @param {number[]} samples @param {{ what: string, samples: number[] }} [anchor] */
function print(what, goal, samples, anchor) {
  console.log(JSON.stringify({ what, unit: 'ms', goal, samples, anchor }));
}

const folder = mkdtempSync(join(tmpdir(), 'kith-bench-paint-'));
for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
const plain = createServer((request, answer) => {
  const name = new URL(request.url ?? '/', 'http://localhost').pathname.slice(1) || 'index.html';
  const bytes = files.get(name);
  if (!bytes) return void answer.writeHead(404).end();
  answer.writeHead(200, { 'content-type': TYPES[/** @type {keyof typeof TYPES} */ (extname(name))] }).end(readFileSync(join(folder, name)));
});
await new Promise((done) => plain.listen(0, '127.0.0.1', () => done(undefined)));
const { port } = /** @type {import('node:net').AddressInfo} */ (plain.address());

const a = await KithNode.create('paint-a');
const browser = await launch();
try {
  await a.start();
  const [{ link: published }] = await a.cli('publish', folder);
  const [{ space }] = await a.cli('open', published, '--yes');
  const [{ link }] = await a.cli('invite', space);
  const overHttp = () => firstPaint(browser, (page) => page.goto(`http://localhost:${port}/`));
  await overHttp();
  /** @type {number[]} */ const whole = [];
  /** @type {number[]} */ const here = [];
  /** @type {number[]} */ const anchor = [];
  for (let run = 0; run < RUNS; run++) {
    const b = await KithNode.create('paint-b');
    try {
      await b.start();
      whole.push(await firstPaint(browser, async (page) => {
        const started = now();
        const { opened } = await b.ask('open.begin', { target: link, yes: true });
        here.push(now() - started);
        await page.goto(opened.url);
      }));
    } finally {
      await b.remove();
    }
    anchor.push(await overHttp());
  }
  print('link to first paint: an app of 500 KB, not yet here, one hop', '≤ 300 ms', whole, { what: 'the same files over plain HTTP', samples: anchor });
  print('of that, until the page can be asked for; its files are still on their way', '', here);
} finally {
  await browser.close();
  plain.close();
  await a.remove();
  rmSync(folder, { recursive: true, force: true });
}
