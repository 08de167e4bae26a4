// A film that is with somebody else: until it plays, and until its end is shown while the middle is
// missing; beside the same film over plain HTTP. Prints one JSON object per figure.
import { createReadStream, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { launch } from './lib/browser.mjs';
import { firstFile, playAndSeek, writeFilm } from './lib/film.mjs';
import { KithNode } from './lib/node.mjs';

/** Samples of each figure. */
const RUNS = 5;
/** Bytes of the film. */
const SIZE = 400e6;

const folder = mkdtempSync(join(tmpdir(), 'kith-bench-film-'));
const path = join(folder, 'film.webm');
const plain = createServer((request, answer) => {
  if (request.url === '/') return void answer.setHeader('content-type', 'text/html').end('<!doctype html><title>Film</title>');
  const size = statSync(path).size;
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? 'bytes=0-') ?? [];
  const start = Number(from);
  const end = to ? Number(to) : size - 1;
  answer.writeHead(206, {
    'content-type': 'video/webm', 'accept-ranges': 'bytes', 'content-length': end - start + 1, 'content-range': `bytes ${start}-${end}/${size}`,
  });
  const file = createReadStream(path, { start, end });
  // A browser that has enough, or seeks, hangs up.
  answer.once('close', () => file.destroy());
  file.pipe(answer);
});
await new Promise((done) => plain.listen(0, '127.0.0.1', () => done(undefined)));
const { port } = /** @type {import('node:net').AddressInfo} */ (plain.address());

/** @param {string} what @param {string} goal @param {number[]} samples @param {number[]} anchor */
function print(what, goal, samples, anchor) {
  console.log(JSON.stringify({ what, unit: 'ms', goal, samples, anchor: { what: 'the same film over plain HTTP', samples: anchor } }));
}

const a = await KithNode.create('film-a');
const browser = await launch();
/** Plays in a fresh window. @param {(page: import('playwright-core').Page) => Promise<string>} open Returns the film's address. @param {number} seconds */
async function watch(open, seconds) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    return await playAndSeek(page, await open(page), seconds);
  } finally {
    await context.close();
  }
}
try {
  await a.start();
  const studio = await browser.newPage();
  const seconds = await writeFilm(studio, path, SIZE);
  await studio.close();
  /** @type {Awaited<ReturnType<typeof watch>>[]} */ const ours = [];
  /** @type {Awaited<ReturnType<typeof watch>>[]} */ const theirs = [];
  for (let run = 0; run < RUNS; run++) {
    theirs.push(await watch(async (page) => { await page.goto(`http://localhost:${port}/`); return '/film'; }, seconds));
    const [{ link }] = await a.cli('share', path);
    const b = await KithNode.create('film-b');
    try {
      await b.start();
      const [opened] = await b.cli('open', link, '--yes');
      ours.push(await watch(async (page) => { await page.goto(opened.url); return (await firstFile(page)).url; }, seconds));
    } finally {
      await b.remove();
    }
  }
  print('a film of 400 MB that is with somebody else, until it plays', '≤ 1000 ms', ours.map(({ play }) => play), theirs.map(({ play }) => play));
  print('the same: until its end is shown, while the middle is missing', '', ours.map(({ seek }) => seek), theirs.map(({ seek }) => seek));
} finally {
  await browser.close();
  await a.remove();
  plain.close();
  plain.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
}
