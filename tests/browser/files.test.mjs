// Files between two real nodes, through pages: handed in, looked at, read in parts while they come.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { png } from './fixture/pictures.mjs';
import { openBrowser } from './lib/browser.mjs';
import { KithNode } from './lib/node.mjs';

/** @type {KithNode} */ let a;
/** @type {KithNode} */ let b;
/** @type {Awaited<ReturnType<typeof openBrowser>>} */ let browser;
/** @type {import('playwright-core').Page} */ let ada;
/** @type {import('playwright-core').Page} */ let ben;
/** What went wrong in pages. @type {string[]} */ const faults = [];

before(async () => {
  [a, b] = await Promise.all([KithNode.create('a'), KithNode.create('b')]);
  await Promise.all([a.start(), b.start()]);
  browser = await openBrowser({ reducedMotion: 'reduce' });
  browser.context.on('page', (page) => page.on('pageerror', (error) => faults.push(error.stack ?? String(error))));
  const [created] = await a.cli('open', 'chat', '--yes');
  ada = await browser.context.newPage();
  await ada.goto(created.url);
  const [{ link }] = await a.cli('invite', created.space);
  const [opened] = await b.cli('open', link, '--yes');
  ben = await browser.context.newPage();
  await ben.goto(opened.url);
  for (const page of [ada, ben]) await page.getByRole('textbox', { name: 'Message' }).waitFor();
});

after(async () => {
  await browser?.close();
  await Promise.all([a, b].map((node) => node?.remove()));
  assert.deepEqual(faults, []);
});

/** Runs in the page, with `kith.js` as `kith`. @param {import('playwright-core').Page} page @param {string} code */
const inPage = (page, code) => page.evaluate(`(async () => { const kith = await import(location.origin + '/.kith/kith.js'); ${code} })()`);

test('a picture and a file cross in Chat', async () => {
  await ada.locator('#choose').setInputFiles([
    { name: 'harbour.png', mimeType: 'image/png', buffer: png(300, 200) },
    { name: 'the plan.pdf', mimeType: 'application/pdf', buffer: Buffer.from('the plan') },
  ]);
  await ada.getByRole('textbox', { name: 'Message' }).fill('Look');
  await ada.keyboard.press('Enter');
  await ben.getByRole('article', { name: 'Look · Picture: harbour.png · File: the plan.pdf' }).waitFor();
  await ben.waitForFunction(() => /** @type {HTMLImageElement | null} */ (document.querySelector('article img'))?.naturalWidth === 300);
  await ben.getByRole('button', { name: 'Get it: the plan.pdf' }).click();
  const [download] = await Promise.all([ben.waitForEvent('download'), ben.getByRole('link', { name: 'Save the plan.pdf' }).click()]);
  assert.equal(download.suggestedFilename(), 'the plan.pdf');
  await ada.locator('.fate').waitFor({ state: 'detached' });
});

test('a large file is read from its end first, then whole, and is the same', async () => {
  const size = 48 * 1024 * 1024 + 7;
  const sent = await inPage(ada, `
    const bytes = new Uint8Array(${size});
    for (let at = 0; at < bytes.length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, Math.min(at + 65_536, bytes.length)));
    const file = await kith.blobs.add(new Blob([bytes]), { name: 'large.bin' });
    await kith.space.append({ text: 'A large one' }, { attachments: [file] });
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
    return { file, end: [...bytes.slice(-1000)], digest: [...digest] };
  `);
  const got = await inPage(ben, `
    let file;
    for await (const { attachments } of kith.space.watch()) if (file = attachments.find(({ name }) => name === 'large.bin')) break;
    const ranged = await fetch(file.url, { headers: { range: 'bytes=-1000' } });
    const end = [...new Uint8Array(await ranged.arrayBuffer())];
    const whole = await (await fetch(file.url)).arrayBuffer();
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', whole));
    // What was read is kept, and stays with this person once they want it.
    await kith.blobs.fetch(file.hash);
    let complete = false;
    for await (const states of kith.blobs.watch()) if (states.some(({ hash, stage }) => hash === file.hash && stage === 'complete')) { complete = true; break; }
    return { file, status: ranged.status, range: ranged.headers.get('content-range'), end, digest: [...digest], complete };
  `);
  assert.deepEqual(got, { ...sent, status: 206, range: `bytes ${size - 1000}-${size - 1}/${size}`, complete: true });
});

test('a film plays at the other person while it is still with the first one', async () => {
  // A browser draws only what is in front.
  await ada.bringToFront();
  await inPage(ada, `
    const canvas = Object.assign(document.createElement('canvas'), { width: 160, height: 90 });
    const brush = canvas.getContext('2d');
    const parts = [];
    const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: 'video/webm' });
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const done = new Promise((resolve) => { recorder.onstop = resolve; });
    recorder.start();
    for (let frame = 0; frame < 30; frame++) {
      brush.fillStyle = 'hsl(' + frame * 12 + ' 70% 50%)';
      brush.fillRect(0, 0, 160, 90);
      await new Promise(requestAnimationFrame);
    }
    recorder.stop();
    await done;
    const file = await kith.blobs.add(new Blob(parts), { name: 'crossing.webm', type: 'video/webm' });
    await kith.space.append({ text: '', look: [[160, 90]] }, { attachments: [file] });
  `);
  await ben.bringToFront();
  await ben.getByRole('button', { name: 'Play crossing.webm' }).click();
  await ben.waitForFunction(() => {
    const film = document.querySelector('video');
    return film !== null && film.videoWidth === 160 && film.currentTime > 0;
  });
});

test('another space’s page reads none of it, and a page’s address without its cookie neither', async () => {
  const [other] = await a.cli('open', 'chat', '--new-space', '--yes');
  const page = await browser.context.newPage();
  await page.goto(other.url);
  const url = await inPage(ada, `return (await kith.space.read()).flatMap(({ attachments }) => attachments)[0].url`);
  assert.equal(await page.evaluate(async (url) => (await fetch(url)).status, url), 404);
  const bare = await fetch(new URL(url, new URL(ada.url()).origin).href.replace(/\/\/[^/]+/, `//127.0.0.1:${a.port}`), { headers: { host: new URL(ada.url()).host } });
  assert.ok([403, 421].includes(bare.status));
});
