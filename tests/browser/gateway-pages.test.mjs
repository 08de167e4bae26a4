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
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).maxWidth), '512px', 'its style is let through');
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
