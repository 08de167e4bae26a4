// A film plays while it comes, and is sought in while its middle is missing.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { statSync } from 'node:fs';
import { join } from 'node:path';

import { openBrowser } from './lib/browser.mjs';
import { writeFilm } from './lib/film.mjs';
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
  const seen = await page.evaluate(async (seconds) => {
    const { space } = await import(`${location.origin}/.kith/kith.js`);
    let file;
    for await (const entry of space.watch()) {
      [file] = entry.attachments;
      if (file) break;
    }
    const video = Object.assign(document.createElement('video'), { muted: true, width: 640 });
    document.body.append(video);
    const failed = new Promise((_, fail) => { video.onerror = () => fail(new Error(video.error?.message)); });
    /** @param {string} name */
    const event = (name) => Promise.race([failed, new Promise((done) => video.addEventListener(name, done, { once: true }))]);
    const begun = performance.now();
    video.src = file.url;
    const playing = event('playing');
    await video.play();
    await playing;
    const played = performance.now();
    const sought = event('seeked');
    video.currentTime = seconds - 1;
    await sought;
    const ended = performance.now();
    const { duration, videoWidth, currentTime } = video;
    return { file, play: played - begun, seek: ended - played, duration, videoWidth, currentTime };
  }, seconds);
  const { traffic } = await b.ask('node.status');
  assert.equal(seen.file.size, size);
  assert.equal(Math.round(seen.duration), Math.round(seconds));
  assert.equal(seen.videoWidth, 1280);
  assert.ok(seen.currentTime >= seconds - 1.2, `at ${seen.currentTime} of ${seconds} s`);
  assert.ok(traffic.received < size, `${traffic.received} of ${size} bytes had come`);
  t.diagnostic(`${(size / 1e6).toFixed()} MB: playing after ${seen.play.toFixed()} ms, at the end after ${seen.seek.toFixed()} ms more, `
    + `${(traffic.received / 1e6).toFixed()} MB had come`);
});
