// Drop on two nodes, in a real browser: what is dropped on one arrives, opens and plays on the other.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';

import { launch } from './lib/browser.mjs';
import { KithNode } from './lib/node.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** Above what comes by itself, in bytes. */
const LARGE = 101_000_000;

const folder = mkdtempSync(join(tmpdir(), 'kith-test-files-'));
/** @type {KithNode} */ let a;
/** @type {KithNode} */ let b;
/** @type {import('playwright-core').Browser} */ let browser;
/** @type {import('playwright-core').BrowserContext} */ let context;
/** @type {Page} */ let pageA;
/** @type {Page} */ let pageB;
/** @type {string[]} */ const faults = [];

before(async () => {
  [a, b] = await Promise.all([KithNode.create('a'), KithNode.create('b')]);
  await Promise.all([a.start(), b.start()]);
  browser = await launch();
  context = await browser.newContext({ acceptDownloads: true });
  const [created] = await a.cli('open', 'drop', '--yes');
  pageA = await open(created.url);
});

after(async () => {
  await browser?.close();
  await Promise.all([a, b].map((node) => node?.remove()));
  rmSync(folder, { recursive: true, force: true });
});

/** @param {string} url */
async function open(url) {
  const page = await context.newPage();
  page.on('pageerror', (error) => faults.push(error.stack ?? String(error)));
  await page.goto(url);
  await page.getByRole('button', { name: 'Add files' }).waitFor();
  return page;
}

/** The row of a file. @param {Page} page @param {string} name */
const row = (page, name) => page.locator('li.file', { has: page.locator(`.name[title="${name}"]`) });

/** Bytes that differ from place to place. @param {string} name @param {number} size */
function write(name, size) {
  const file = join(folder, name);
  const block = Buffer.alloc(1 << 20);
  for (let at = 0; at < block.length; at += 4) block.writeUInt32LE(Math.imul(at, 2_654_435_761) >>> 0, at);
  const whole = Buffer.concat(Array.from({ length: Math.ceil(size / block.length) }, (_, n) => { block.writeUInt32LE(n, 0); return Buffer.from(block); }));
  writeFileSync(file, whole.subarray(0, size));
  return file;
}

/** @param {string} file */
const hashOf = (file) => createHash('sha256').update(readFileSync(file)).digest('hex');

/** @param {Page} page @param {string} name */
async function saved(page, name) {
  const download = page.waitForEvent('download');
  await row(page, name).getByRole('link', { name: /^Save/ }).click();
  const got = await download;
  const path = join(folder, `saved ${name}`);
  await got.saveAs(path);
  assert.equal(got.suggestedFilename(), name);
  return path;
}

test('the link of one page opens the same files on another node', async () => {
  // The picture and the link come together, a while after the page.
  await pageA.getByRole('img', { name: /QR code/ }).waitFor();
  const link = await pageA.locator('#link').inputValue();
  assert.match(link, /^kith:\/\//);
  const [opened] = await b.cli('open', link, '--yes');
  pageB = await open(opened.url);
  await pageA.getByText('online', { exact: false }).first().waitFor();
});

test('what is added here arrives there, byte for byte, under its name', async () => {
  const file = write('Report, final (2).bin', 3_000_001);
  await pageA.locator('#files').setInputFiles(file);
  await row(pageA, 'Report, final (2).bin').waitFor();
  await row(pageB, 'Report, final (2).bin').getByText('here').waitFor();
  assert.equal(hashOf(await saved(pageB, 'Report, final (2).bin')), hashOf(file));
});

test('pictures are shown on both sides', async () => {
  await pageA.locator('#files').setInputFiles(resolve(import.meta.dirname, '../../apps/drop/icon.png'));
  for (const page of [pageA, pageB]) {
    await page.waitForFunction(() => [.../** @type {NodeListOf<HTMLImageElement>} */ (document.querySelectorAll('img.picture'))].some((one) => one.naturalWidth === 128));
  }
});

test('a folder arrives with the places of its files', async () => {
  const things = join(folder, 'Things');
  mkdirSync(join(things, 'inner'), { recursive: true });
  for (let n = 0; n < 70; n++) writeFileSync(join(things, n < 5 ? 'inner' : '.', `${n}.txt`), `file ${n}`);
  // A browser reads a folder for the page in front alone.
  await pageA.bringToFront();
  await pageA.locator('#folder').setInputFiles(things);
  const card = pageB.getByRole('article', { name: /: Things$/ });
  await card.getByText('70 files').waitFor();
  await card.getByRole('button', { name: 'Show 64 more files' }).click();
  await row(pageB, 'inner/3.txt').getByText('here').waitFor();
  const text = await pageB.evaluate(async (href) => (await fetch(href)).text(), await row(pageB, 'inner/3.txt').getByRole('link').getAttribute('href') ?? '');
  assert.equal(text, 'file 3');
});

/** Has the page save into the origin's own folder instead of asking where. @param {Page} page */
const saveInside = (page) => page.evaluate(() => Object.assign(window, { showDirectoryPicker: () => navigator.storage.getDirectory() }));

/** The files below a folder of the origin's own, with what is in them. @param {Page} page @param {string} name */
const inside = (page, name) => page.evaluate(async (name) => {
  /** @type {Record<string, string>} */ const found = {};
  const walk = async (/** @type {FileSystemDirectoryHandle} */ folder, /** @type {string} */ path) => {
    for await (const [name, handle] of folder.entries()) {
      if (handle instanceof FileSystemDirectoryHandle) await walk(handle, `${path}${name}/`);
      else found[path + name] = await (await /** @type {FileSystemFileHandle} */ (handle).getFile()).slice(0, 100).text();
    }
  };
  await walk(await (await navigator.storage.getDirectory()).getDirectoryHandle(name), '');
  return found;
}, name);

test('a folder is saved as one, with every file at its place', async () => {
  await saveInside(pageB);
  const card = pageB.getByRole('article', { name: /: Things$/ });
  for (const name of ['Things', 'Things (2)']) {
    await card.getByRole('button', { name: 'Save all of Things' }).click();
    await card.getByText('Saved').waitFor();
    const found = await inside(pageB, name);
    assert.equal(Object.keys(found).length, 70);
    assert.equal(found['inner/3.txt'], 'file 3');
    assert.equal(found['69.txt'], 'file 69');
  }
});

test('what the command line shared is there, comes, and is saved', async () => {
  const shared = join(folder, 'Shared');
  mkdirSync(join(shared, 'deep', 'er'), { recursive: true });
  writeFileSync(join(shared, 'deep', 'er', 'small.txt'), 'deep down');
  writeFileSync(join(shared, 'large.txt'), 'x'.repeat(400_000));
  const { link } = (await a.cli('share', shared)).at(-1);
  const [opened] = await b.cli('open', link, '--yes');
  const page = await open(opened.url);
  await row(page, 'Shared').getByText('400 kB in 2 files').waitFor();
  await page.getByRole('button', { name: 'Get Shared' }).click();
  await row(page, 'Shared').getByText('here').waitFor();
  await page.getByRole('button', { name: 'Files in Shared' }).click();
  await row(page, 'deep/er/small.txt').last().waitFor();
  await saveInside(page);
  await page.getByRole('button', { name: 'Save all of Shared' }).click();
  await page.getByText('Saved', { exact: true }).waitFor();
  assert.deepEqual(Object.fromEntries(Object.entries(await inside(page, 'Shared')).map(([path, text]) => [path, text.slice(0, 9)])), {
    'deep/er/small.txt': 'deep down', 'large.txt': 'xxxxxxxxx',
  });
  await page.close();
});

test('a large file comes when it is asked for, and stays out when it is removed', async () => {
  const file = write('large.bin', LARGE);
  await pageA.locator('#files').setInputFiles(file);
  const large = row(pageB, 'large.bin');
  await large.getByRole('button', { name: 'Get large.bin' }).click();
  await large.getByText('here').waitFor();
  assert.equal(hashOf(await saved(pageB, 'large.bin')), hashOf(file));
  await row(pageA, 'large.bin').getByText(/with /).waitFor();
  await large.getByRole('button', { name: /^Remove/ }).click();
  await pageB.getByRole('button', { name: 'Remove it' }).click();
  await large.getByRole('button', { name: 'Get large.bin' }).waitFor();
  await pageB.reload();
  await row(pageB, 'large.bin').getByRole('button', { name: 'Get large.bin' }).waitFor();
});

test('a recording plays at once and at its end, before it is here', async () => {
  const rate = 192_000;
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + LARGE, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(2, 22);
  head.writeUInt32LE(rate / 4, 24);
  head.writeUInt32LE(rate, 28);
  head.writeUInt16LE(4, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(LARGE, 40);
  const file = join(folder, 'Recording.wav');
  writeFileSync(file, Buffer.concat([head, Buffer.alloc(LARGE)]));
  await pageA.locator('#files').setInputFiles(file);
  await pageB.getByRole('button', { name: 'Play Recording.wav' }).first().click();
  const played = await pageB.getByRole('dialog').locator('audio').evaluate(async (/** @type {HTMLAudioElement} */ audio) => {
    audio.muted = true;
    const when = (/** @type {string} */ event) => new Promise((done) => audio.addEventListener(event, done, { once: true }));
    if (audio.currentTime === 0) await when('timeupdate');
    const { duration } = audio;
    audio.currentTime = duration - 5;
    await when('seeked');
    await audio.play();
    await when('timeupdate');
    return { duration, at: audio.currentTime, error: audio.error?.message };
  });
  assert.equal(Math.round(played.duration), Math.round(LARGE / rate));
  assert.ok(played.at >= played.duration - 5, JSON.stringify(played));
  await pageB.keyboard.press('Escape');
  await row(pageB, 'Recording.wav').getByText('here').waitFor();
});

test('a file that nobody here has waits, and comes when its owner is back', async () => {
  await a.kill();
  await row(pageB, 'large.bin').getByRole('button', { name: 'Get large.bin' }).click();
  await row(pageB, 'large.bin').getByText(/waits for/).waitFor();
  await a.start();
  await row(pageB, 'large.bin').getByText('here').waitFor();
});

test('no page failed', () => assert.deepEqual(faults, []));
