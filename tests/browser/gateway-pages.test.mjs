// How pages are opened: tokens, the cookie, the way from a local file and from the dashboard, and an app
// that is not here yet.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, afterEach, test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { launch } from './attack/browser.mjs';
import { openCanary } from './attack/canary.mjs';
import { startGateway } from './attack/gateway.mjs';

/** @type {Awaited<ReturnType<typeof startGateway>>} */ let gateway;
/** @type {import('playwright-core').BrowserContext} */ let browser;
/** @type {import('playwright-core').Page} */ let page;
/** What pages said on their consoles, and none should. @type {string[]} */ let said;
/** @type {string} */ let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kith-pages-'));
  gateway = await startGateway(['one', 'two', 'three', 'four'], { later: ['later'] });
  browser = await launch(join(folder, 'profile'));
  browser.on('console', (message) => {
    const ours = /favicon|status of 4\d\d/;
    if (['error', 'warning'].includes(message.type()) && !ours.test(message.text() + message.location().url)) said.push(message.text());
  });
});

beforeEach(async () => {
  said = [];
  page = await browser.newPage();
});

afterEach(async () => {
  await page.close();
  assert.deepEqual(said, [], 'the policy breaks nothing of ours');
});

after(async () => {
  await browser.close();
  await gateway.stop();
  await rm(folder, { recursive: true });
});

test('a token opens a page once, and leaves a cookie that no script sees', async () => {
  const url = await gateway.url('one', '/index.html');
  await page.goto(`${url}&x=1#part`);
  assert.equal(page.url(), `${gateway.origin('one')}/index.html?x=1#part`);
  assert.equal(await page.title(), 'hostile');
  assert.equal(await page.evaluate(() => document.cookie), '');
  const [cookie] = await browser.cookies(gateway.origin('one'));
  assert.deepEqual(
    { name: cookie?.name, httpOnly: cookie?.httpOnly, sameSite: cookie?.sameSite, path: cookie?.path, domain: cookie?.domain },
    { name: 'kith', httpOnly: true, sameSite: 'Strict', path: '/', domain: 'one.localhost' },
  );
  await page.goto(url);
  assert.equal(await page.title(), 'hostile', 'a restored tab goes on by its cookie');
  await browser.clearCookies({ domain: 'one.localhost' });
  await page.goto(url);
  assert.equal(await page.title(), 'This link has been used, or is too old.');
});

test('without a token there is a page that says so', async () => {
  const answer = await page.goto(gateway.origin('two'));
  assert.equal(answer?.status(), 403);
  assert.equal(await page.title(), 'This page is opened from kith.');
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).maxWidth), '480px', 'its style is let through');
});

test('a page that says where to go leads there, and nowhere else', async () => {
  const canary = await openCanary('signpost');
  for (const [url, status] of /** @type {const} */ ([[gateway.origin('three'), 403], [`http://127.0.0.1:${gateway.port}/`, 421], [gateway.origin('nobody'), 421]])) {
    assert.equal((await page.goto(url))?.status(), status);
    await page.getByRole('link', { name: 'Open kith’s dashboard' }).click();
    await page.waitForURL(`${gateway.origin()}/`);
    await page.goto(url);
    await page.evaluate((to) => { setTimeout(() => { location.href = to; }); }, canary.url);
    await page.waitForURL('chrome-error://chromewebdata/');
  }
  await canary.close();
  assert.deepEqual(canary.touches, []);
  said = [];
});

test('a local file leads to a page', async () => {
  const file = join(folder, 'open.html');
  await writeFile(file, `<!doctype html><meta http-equiv="refresh" content="0;url=${await gateway.url('three')}">`);
  await page.goto(pathToFileURL(file).href);
  await page.waitForURL(`${gateway.origin('three')}/`);
  await page.waitForFunction(() => document.title === 'hostile');
});

test('the dashboard opens a space in a tab that does not know it', async () => {
  await page.goto(gateway.origin());
  await page.waitForFunction(() => document.title === 'dashboard runs');
  const opened = browser.waitForEvent('page');
  await page.evaluate((url) => { window.open(url); }, await gateway.url('four'));
  const space = await opened;
  await space.waitForFunction(() => document.title === 'hostile');
  assert.equal(await space.evaluate(() => window.opener), null);
  await space.close();
});

test('the dashboard leads nowhere else', async () => {
  const canary = await openCanary('dashboard');
  for (const url of [canary.url, `http://127.0.0.1:${canary.port}`, `http://127.0.0.1:${gateway.port}`, `http://label.localhost:${canary.port}`]) {
    await page.goto(gateway.origin());
    await page.evaluate((to) => { setTimeout(() => { location.href = to; }); }, url);
    await page.waitForURL('chrome-error://chromewebdata/');
  }
  await canary.close();
  assert.deepEqual(canary.touches, []);
  said = [];
});

test('an app that is not here yet has its loading page, then its own', async () => {
  await page.goto(await gateway.url('later'));
  await page.waitForFunction(() => document.title === 'loading runs');
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector('h1') ?? document.body).color), 'rgb(0, 128, 0)');
  await gateway.arrive('later');
  await page.reload();
  assert.equal(await page.title(), 'hostile');
});

test('a removed space makes the browser forget what it kept there', async () => {
  await page.goto(await gateway.url('one'));
  await page.evaluate(() => { localStorage.setItem('a', 'b'); });
  await gateway.remove('one');
  const first = await page.goto(gateway.origin('one'));
  assert.equal(first?.status(), 410);
  assert.deepEqual(await browser.cookies(gateway.origin('one')), []);
  assert.equal((await page.goto(gateway.origin('one')))?.status(), 421);
  assert.equal(await page.evaluate(() => localStorage.getItem('a')), null);
});

test('kith’s own pages run under their policy', async () => {
  const ours = await startGateway([], { later: ['soon'], embedded: true });
  try {
    await page.goto(`${ours.origin()}/#token=${await ours.token()}`);
    await page.waitForFunction(() => sessionStorage.getItem('session') !== null);
    await page.waitForFunction(() => document.querySelector('#app')?.textContent !== '');
    assert.ok(!page.url().includes('token'));
    await page.goto(await ours.url('soon'));
    await page.waitForFunction(() => document.body.textContent?.includes('192.0.2.1'));
    await ours.arrive('soon');
    await page.waitForFunction(() => document.title === 'hostile');
  } finally {
    await ours.stop();
  }
});

test('an app may do what apps do', async () => {
  await page.goto(await gateway.url('two'));
  const can = await page.evaluate(async () => {
    /** @type {Record<string, unknown>} */ const done = {};
    const loaded = (/** @type {HTMLElement} */ element) => new Promise((resolve, reject) => {
      element.onload = () => resolve(true);
      element.onerror = () => reject(new Error('not loaded'));
      document.body.append(element);
    });
    const make = (/** @type {string} */ name, /** @type {object} */ values) => Object.assign(document.createElement(name), values);
    const blob = (/** @type {string} */ text, type = 'text/javascript') => URL.createObjectURL(new Blob([text], { type }));
    const said = (/** @type {Worker} */ worker) => new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = reject;
    });
    done.eval = (0, eval)('1 + 1');
    done.wasm = (await WebAssembly.instantiate(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0))).instance instanceof WebAssembly.Instance;
    done.fetch = (await fetch('/module.js')).status;
    done.fetchData = await (await fetch('data:text/plain,data')).text();
    done.fetchBlob = await (await fetch(blob('blob'))).text();
    done.module = Object.keys(await import(new URL('/module.js', location.href).href)).length;
    done.blobModule = (await import(blob('export const x = 7;'))).x;
    done.image = await loaded(make('img', { src: '/picture.svg' }));
    done.dataImage = await loaded(make('img', { src: 'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7' }));
    done.style = await loaded(make('link', { rel: 'stylesheet', href: '/style.css' }));
    done.frame = await loaded(make('iframe', { src: '/?frame' }));
    done.blobFrame = await loaded(make('iframe', { src: blob('<p>', 'text/html') }));
    const worker = new Worker('/worker.js');
    worker.postMessage('postMessage(3)');
    done.worker = await said(worker);
    done.blobWorker = await said(new Worker(blob('postMessage(4)')));
    done.socket = await new Promise((resolve) => {
      const socket = new WebSocket(`ws://${location.host}/.kith/api`);
      socket.onopen = () => { resolve(true); socket.close(); };
      socket.onerror = () => resolve(false);
    });
    localStorage.setItem('a', 'b');
    done.storage = localStorage.getItem('a');
    done.database = await new Promise((resolve) => { indexedDB.open('x').onsuccess = () => resolve(true); });
    return done;
  });
  assert.deepEqual(can, {
    eval: 2, wasm: true, fetch: 200, fetchData: 'data', fetchBlob: 'blob', module: 0, blobModule: 7, image: true, dataImage: true,
    style: true, frame: true, blobFrame: true, worker: 3, blobWorker: 4, socket: true, storage: 'b', database: true,
  });
  const download = page.waitForEvent('download');
  await page.evaluate(() => {
    Object.assign(document.createElement('a'), { href: URL.createObjectURL(new Blob(['kept'])), download: 'kept.txt' }).click();
  });
  assert.equal((await download).suggestedFilename(), 'kept.txt');
  assert.equal(await (await download).failure(), null);
  await page.evaluate(() => { location.href = '/module.js'; });
  await page.waitForURL('**/module.js');
});
