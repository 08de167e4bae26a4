// A film plays while it comes, and is sought in while its middle is missing.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { statSync } from 'node:fs';
import { join } from 'node:path';

import { openBrowser } from './lib/browser.mjs';
import { firstFile, playAndSeek, writeFilm } from './lib/film.mjs';
import { KithNode } from './lib/node.mjs';

/** Bytes of the film. */
const SIZE = 400e6;

/** @type {KithNode} */ let a;
/** @type {KithNode} */ let b;
/** @type {Awaited<ReturnType<typeof openBrowser>>} */ let browser;

before(async () => {
  [a, b] = await Promise.all([KithNode.create('a'), KithNode.create('b')]);
  await Promise.all([a.start(), b.start()]);
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  await Promise.all([a, b].map((node) => node?.remove()));
});

test('a film of 400 MB plays while it comes, and its end is shown while the middle is missing', async (t) => {
  const studio = await browser.context.newPage();
  const path = join(a.dir, 'film.webm');
  const seconds = await writeFilm(studio, path, SIZE);
  await studio.close();
  const size = statSync(path).size;
  const [{ link }] = await a.cli('share', path);
  const [opened] = await b.cli('open', link, '--yes');
  const page = await browser.context.newPage();
  await page.goto(opened.url);
  const file = await firstFile(page);
  const seen = await playAndSeek(page, file.url, seconds);
  const { traffic } = await b.ask('node.status');
  assert.equal(file.size, size);
  assert.equal(Math.round(seen.duration), Math.round(seconds));
  assert.equal(seen.videoWidth, 1280);
  assert.ok(seen.currentTime >= seconds - 1.2, `at ${seen.currentTime} of ${seconds} s`);
  assert.ok(traffic.received < size, `${traffic.received} of ${size} bytes had come`);
  t.diagnostic(`${(size / 1e6).toFixed()} MB: playing after ${seen.play.toFixed()} ms, at the end after ${seen.seek.toFixed()} ms more, `
    + `${(traffic.received / 1e6).toFixed()} MB had come`);
});
