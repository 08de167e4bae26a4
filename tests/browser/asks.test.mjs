// What an app sends to a chat, on a real node: the person chooses on kith's own page, and the app learns nothing.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';

import { openBrowser } from './lib/browser.mjs';
import { KithNode } from './lib/node.mjs';
import { within } from './lib/within.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** How long a question may take to be told, in ms: a thousand times what it takes. */
const PATIENCE = 30_000;

/** @type {KithNode} */ let node;
/** @type {Awaited<ReturnType<typeof openBrowser>>} */ let browser;
/** @type {string} */ let folder;
/** @type {Page} */ let dashboard;
/** @type {{ url: string, space: string }} */ let chat;
/** What went wrong in pages. @type {string[]} */ const faults = [];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kith-test-asks-'));
  node = await KithNode.create('asks');
  await node.start();
  browser = await openBrowser({ reducedMotion: 'reduce' });
  browser.context.on('page', (page) => page.on('pageerror', (error) => faults.push(error.stack ?? String(error))));
  dashboard = await browser.context.newPage();
  await dashboard.goto((await node.ask('page.url')).url);
  await dashboard.getByLabel('A link to an app or a space').waitFor();
  [chat] = await node.cli('open', 'chat', '--yes');
  await node.ask('spaces.rename', { space: chat.space, name: 'Family' });
});

after(async () => {
  await browser?.close();
  await node?.remove();
  rmSync(folder, { recursive: true, force: true });
  assert.deepEqual(faults, []);
});

afterEach(async () => {
  for (const page of browser.context.pages()) if (page !== dashboard) await page.close();
});

/** Publishes an app, so that each test has one that was never refused, and returns its page. @param {string} name */
async function app(name) {
  const bundle = join(folder, name);
  mkdirSync(bundle);
  writeFileSync(join(bundle, 'index.html'), `<!doctype html><title>${name}</title><script src="webxdc.js"></script>`);
  writeFileSync(join(bundle, 'manifest.toml'), `name = "${name}"`);
  const [{ link }] = await node.cli('publish', bundle);
  const [{ url, space }] = await node.cli('open', link, '--yes');
  const page = await browser.context.newPage();
  await page.goto(url);
  return { page, space };
}

/** Sends, and keeps what became of it. @param {Page} page @param {object} message */
const send = (page, message) => page.evaluate((message) => {
  const kept = /** @type {any} */ (window);
  kept.fate = 'open';
  kept.webxdc.sendToChat(message).then((/** @type {unknown} */ got) => { kept.fate = ['resolved', got ?? null]; }, (/** @type {unknown} */ error) => { kept.fate = ['rejected', String(error)]; });
}, message);
/** @param {Page} page @returns {Promise<any>} */
const fate = (page) => page.waitForFunction(() => { const { fate } = /** @type {any} */ (window); return fate !== 'open' && fate; }).then((got) => got.jsonValue());
/** Calls the node as the page could. @param {Page} page @param {string} method @param {object} params @returns {Promise<any>} */
const call = (page, method, params) => page.evaluate(async ([method, params]) => {
  const { connection } = await import(`${location.origin}/.kith/kith.js`);
  return connection.call(method, params).then((/** @type {any} */ reply) => ['said', reply], (/** @type {any} */ error) => [error.code, error.message]);
}, /** @type {const} */ ([method, params]));
/** What the node says is asked, once it is what these apps ask. @param {...string} names @returns {Promise<any[]>} */
async function asks(...names) {
  const look = async () => {
    for (;;) {
      const { asks: all } = await node.ask('node.status');
      if (all.map((/** @type {any} */ one) => one.app_name).join() === names.join()) return all;
    }
  };
  return within(PATIENCE, `what ${names.join() || 'nobody'} asks`, look());
}
/** Goes from the app to kith's page, as the person does. @param {Page} page */
async function choose(page) {
  const [asked] = await Promise.all([browser.context.waitForEvent('page'), page.getByRole('button', { name: 'Choose a chat' }).click()]);
  return asked;
}

test('a file and a text become a draft in the chat that the person chooses', async () => {
  const { page } = await app('Sketch');
  await send(page, { text: 'A boat', file: { name: '../of/<img src=x onerror=alert(1)>.txt', plainText: 'the boat' } });
  const asked = await choose(page);
  await asked.getByRole('heading', { name: 'Send this from Sketch?' }).waitFor();
  assert.equal(new URL(asked.url()).host, `localhost:${node.port}`);
  await asked.getByText('<img src=x onerror=alert(1)>.txt', { exact: true }).waitFor();
  await asked.getByText('8 bytes').waitFor();
  await asked.getByText('A boat', { exact: true }).waitFor();
  assert.equal(await asked.locator('main img:not(.app-icon)').count(), 0);
  const put = asked.getByRole('button', { name: 'Put it into the chat' });
  assert.equal(await put.isDisabled(), true, 'nothing is chosen before the person does');
  await asked.getByRole('radio', { name: 'Family' }).check();
  await put.click();
  const field = asked.getByRole('textbox', { name: 'Message' });
  await field.waitFor();
  await asked.waitForFunction(() => document.querySelectorAll('#tray li').length === 1);
  assert.equal(await field.inputValue(), 'A boat');
  assert.deepEqual(await fate(page), ['resolved', null]);
  assert.equal(await page.getByRole('dialog').count(), 0);
  // It stands there over a reload, and is sent only by the person's hand, changed.
  assert.equal(await asked.getByRole('article').count(), 0);
  await asked.reload();
  await asked.waitForFunction(() => document.querySelectorAll('#tray li').length === 1);
  await field.fill('A boat, for you');
  await field.press('Enter');
  await asked.getByRole('article', { name: /A boat, for you · File: <img/ }).waitFor();
  await asked.locator('.fate').waitFor({ state: 'detached' });
  const sent = await asked.evaluate(async () => {
    const { space } = await import(`${location.origin}/.kith/kith.js`);
    const [{ attachments: [file] }] = await space.read();
    return [file.name, file.type, await (await fetch(file.url)).text(), await space.draft()];
  });
  assert.deepEqual(sent, ['<img src=x onerror=alert(1)>.txt', 'text/plain', 'the boat', null]);
});

test('a new chat is made where it is to go to one', async () => {
  const { page } = await app('Firsts');
  await send(page, { text: 'Hello' });
  const asked = await choose(page);
  await asked.getByRole('radio', { name: 'A new chat' }).check();
  await asked.getByRole('button', { name: 'Put it into the chat' }).click();
  const field = asked.getByRole('textbox', { name: 'Message' });
  await asked.waitForFunction(() => /** @type {HTMLTextAreaElement | null} */ (document.querySelector('#text'))?.value === 'Hello');
  assert.equal(await field.inputValue(), 'Hello');
  assert.notEqual(new URL(asked.url()).host, new URL(chat.url).host);
});

test('a no resolves as a yes does, sends nothing, and gives a rest', async () => {
  const { page } = await app('Nagging');
  await send(page, { text: 'Buy' });
  await asks('Nagging');
  await dashboard.getByText('Nagging asks you something.').waitFor();
  await dashboard.getByRole('link', { name: 'Look' }).click();
  await dashboard.getByRole('button', { name: 'Don’t send it' }).click();
  await dashboard.getByRole('heading', { name: 'Nothing was sent' }).waitFor();
  assert.deepEqual(await fate(page), ['resolved', null]);
  await send(page, { text: 'Buy now' });
  await page.getByText('kith does not ask again yet.').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Choose a chat' }).isDisabled(), true);
  await page.getByRole('button', { name: 'Close' }).click();
  assert.match((await fate(page))[1], /does not ask again yet/);
  await dashboard.getByRole('link', { name: 'To your apps' }).click();
});

test('an app that asks a thousand times is shown once', async () => {
  const { page } = await app('Flood');
  const refused = await page.evaluate(async () => {
    const { webxdc } = /** @type {any} */ (window);
    const { connection } = await import(`${location.origin}/.kith/kith.js`);
    /** @type {Record<string, number>} */ const codes = {};
    const note = (/** @type {any} */ error) => { const code = error.code ?? 'page'; codes[code] = (codes[code] ?? 0) + 1; };
    void webxdc.sendToChat({ text: '0' }).catch(note);
    for (let n = 0; n < 500; n++) await webxdc.sendToChat({ text: 'more' }).catch(note);
    while (document.querySelector('div')?.shadowRoot?.querySelector('button.main')?.ariaDisabled !== 'false') await new Promise(requestAnimationFrame);
    for (let n = 0; n < 500; n++) await connection.call('space.offer', { text: 'more' }).catch(note);
    return [codes, document.querySelectorAll('div').length];
  });
  assert.deepEqual(refused, [{ page: 500, too_many: 500 }, 1]);
  assert.equal((await asks('Flood')).length, 1);
});

test('a page can’t answer itself, see the chats, or get the dashboard into its hands', async () => {
  const { page } = await app('Forger');
  await send(page, { text: 'mine' });
  const [{ ask }] = await asks('Forger');
  for (const [method, params] of /** @type {[string, object][]} */ ([['asks.look', { ask }], ['asks.place', { ask, space: chat.space }], ['asks.refuse', { ask }], ['spaces.list', {}], ['node.status', {}]])) {
    assert.equal((await call(page, method, params))[0], 'not_permitted', method);
  }
  // The way to the dashboard is a page for people only, with nothing in it to take.
  const got = await page.evaluate(async () => {
    const plain = await fetch('/.kith/ask').then((answer) => answer.status);
    const direct = await fetch('http://localhost:4848/').then(() => 'reached', () => 'blocked');
    const frame = Object.assign(document.createElement('iframe'), { src: '/.kith/ask' });
    document.body.append(frame);
    await new Promise((done) => { frame.onload = done; });
    const shown = (() => { try { return frame.contentDocument?.body.innerText ?? 'closed'; } catch { return 'closed'; } })();
    return [plain, direct, shown];
  });
  assert.deepEqual(got, [404, 'blocked', 'closed']);
  assert.equal((await asks('Forger')).length, 1);
  // Another app's page takes no draft that is not its own, and a chat takes none twice.
  await node.ask('asks.place', { ask, space: chat.space });
  assert.deepEqual(await call(page, 'space.draft', {}), ['said', { draft: null }]);
  const family = await browser.context.newPage();
  await family.goto((await node.ask('page.url', { space: chat.space })).url);
  await family.waitForFunction(() => /** @type {HTMLTextAreaElement | null} */ (document.querySelector('#text'))?.value === 'mine');
});

test('only a space of Chat takes it, and only once', async () => {
  const { page, space } = await app('Elsewhere');
  await send(page, { text: 'x' });
  const [{ ask }] = await asks('Elsewhere');
  await assert.rejects(node.ask('asks.place', { ask, space }), /takes no messages/);
  await node.ask('asks.place', { ask, space: chat.space });
  await assert.rejects(node.ask('asks.place', { ask, space: chat.space }), /does not ask this any more/);
  const family = await browser.context.newPage();
  await family.goto((await node.ask('page.url', { space: chat.space })).url);
  await family.waitForFunction(() => /** @type {HTMLTextAreaElement | null} */ (document.querySelector('#text'))?.value === 'x');
});

test('a page that goes away, or thinks better of it, takes its question with it', async () => {
  const { page } = await app('Fickle');
  await send(page, { text: 'x' });
  const [{ ask }] = await asks('Fickle');
  await dashboard.evaluate(() => { location.hash = '#/asks'; });
  await dashboard.getByRole('heading', { name: 'Send this from Fickle?' }).waitFor();
  await page.getByRole('button', { name: 'Close' }).click();
  assert.deepEqual(await fate(page), ['resolved', null]);
  await dashboard.getByRole('heading', { name: 'No app asks anything' }).waitFor();
  await assert.rejects(node.ask('asks.place', { ask, space: chat.space }), /does not ask this any more/);
  await send(page, { text: 'y' });
  await dashboard.getByRole('heading', { name: 'Send this from Fickle?' }).waitFor();
  await page.close();
  await dashboard.getByRole('heading', { name: 'No app asks anything' }).waitFor();
  await dashboard.getByRole('link', { name: 'To your apps' }).click();
});

test('what is too large is refused by the page and by the node, and can still be saved', async () => {
  const { page } = await app('Large');
  await page.evaluate(() => {
    const kept = /** @type {any} */ (window);
    kept.webxdc.sendToChat({ file: { name: 'large.bin', blob: new Blob([new Uint8Array(100_000_001)]) } }).catch((/** @type {unknown} */ error) => { kept.fate = ['rejected', String(error)]; });
  });
  await page.getByText('This file is too large for a chat').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Choose a chat' }).isDisabled(), true);
  assert.equal(await page.getByRole('button', { name: 'Save the file' }).isDisabled(), false);
  await page.getByRole('button', { name: 'Close' }).click();
  assert.match((await fate(page))[1], /too large/);
  assert.equal((await call(page, 'space.offer', { text: 'x'.repeat(16_001) }))[0], 'too_large');
  assert.equal((await call(page, 'space.offer', {}))[0], 'invalid_params');
  assert.equal((await call(page, 'space.offer', { file: { hash: 'ab'.repeat(32), name: 'a' } }))[0], 'not_found');
  const large = await page.evaluate(async () => {
    const { blobs, connection } = await import(`${location.origin}/.kith/kith.js`);
    const { hash, name } = await blobs.add(new Blob([new Uint8Array(100_000_001)]), { name: 'large.bin' });
    return connection.call('space.offer', { file: { hash, name } }).catch((/** @type {any} */ error) => error.code);
  });
  assert.equal(large, 'too_large');
  assert.deepEqual(await asks(), []);
});

test('the way to the answer needs no open dashboard, where kith opened the app', async () => {
  await app('Alone');
  await dashboard.bringToFront();
  const [page] = await Promise.all([browser.context.waitForEvent('page'), dashboard.getByRole('button', { name: 'Open Alone' }).first().click()]);
  await page.waitForFunction(() => 'webxdc' in window);
  await dashboard.goto('about:blank');
  await send(page, { text: 'Found' });
  const asked = await choose(page);
  await asked.getByRole('heading', { name: 'Send this from Alone?' }).waitFor();
  await page.getByRole('button', { name: 'Close' }).click();
  await dashboard.goBack();
  await asks();
});

/** Imports, and keeps what came. @param {Page} page @param {object} filter */
const importFiles = (page, filter) => page.evaluate((filter) => {
  const kept = /** @type {any} */ (window);
  kept.fate = 'open';
  const read = async (/** @type {File} */ file) => [file.name, file.type, await file.text()];
  kept.webxdc.importFiles(filter).then((/** @type {File[]} */ files) => Promise.all(files.map(read)))
    .then((/** @type {unknown} */ files) => { kept.fate = ['resolved', files]; }, (/** @type {unknown} */ error) => { kept.fate = ['rejected', String(error)]; });
}, filter);
/** Writes files into a space from its own page. @param {Page} page @param {string[]} names */
const write = (page, names) => page.evaluate(async (names) => {
  const { blobs, space } = await import(`${location.origin}/.kith/kith.js`);
  for (const name of names) await space.append({ text: '' }, { attachments: [await blobs.add(new Blob([`in ${name}`]), { name, type: 'text/plain' })] });
}, names);
/** @param {Page} page */
async function fromKith(page) {
  const [asked] = await Promise.all([browser.context.waitForEvent('page'), page.getByRole('button', { name: 'From kith' }).click()]);
  return asked;
}

test('an app gets the files that the person chooses, and learns of no other', async () => {
  const family = await browser.context.newPage();
  await family.goto((await node.ask('page.url', { space: chat.space })).url);
  await write(family, ['letter.txt', 'secret.txt', 'secret.pdf']);
  const { page: other } = await app('Neighbour');
  await write(other, ['neighbour.txt']);
  const { page, space } = await app('Reader');
  await write(page, ['own.txt']);
  await importFiles(page, { extensions: ['.txt'], multiple: true });
  const asked = await fromKith(page);
  await asked.getByRole('heading', { name: 'Give files to Reader?' }).waitFor();
  await asked.getByRole('checkbox', { name: 'own.txt' }).check();
  // Neither what does not fit, nor what belongs to other apps.
  assert.equal(await asked.getByText('secret.pdf').count(), 0);
  assert.equal(await asked.getByText('neighbour.txt').count(), 0);
  const [{ ask }] = await asks('Reader');
  assert.equal((await call(page, 'asks.files', { ask }))[0], 'not_permitted');
  assert.equal((await call(page, 'asks.give', { ask, files: [] }))[0], 'not_permitted');
  const { files } = await node.ask('asks.files', { ask });
  assert.deepEqual(files.map((/** @type {any} */ one) => [one.space === space, one.file.name]).sort(), [[false, '<img src=x onerror=alert(1)>.txt'], [false, 'letter.txt'], [false, 'secret.txt'], [true, 'own.txt']]);
  const neighbour = new URL(other.url()).host;
  const [{ hash }] = await other.evaluate(async () => (await (await import(`${location.origin}/.kith/kith.js`)).space.read())[0].attachments);
  const { spaces } = await node.ask('spaces.list');
  const foreign = spaces.find((/** @type {any} */ one) => one.app_name === 'Neighbour').space;
  assert.notEqual(neighbour, new URL(page.url()).host);
  await assert.rejects(node.ask('asks.give', { ask, files: [{ space: foreign, hash }] }), /not asked for/);
  await asked.getByRole('checkbox', { name: 'letter.txt' }).check();
  await asked.getByRole('button', { name: 'Give 2 files' }).click();
  await asked.getByRole('heading', { name: 'Reader has 2 files of yours' }).waitFor();
  assert.deepEqual(await fate(page), ['resolved', [['own.txt', 'text/plain', 'in own.txt'], ['letter.txt', 'text/plain', 'in letter.txt']]]);
  // Nothing is written into its space by that.
  assert.equal(await page.evaluate(async () => (await (await import(`${location.origin}/.kith/kith.js`)).space.read()).length), 1);
});

test('an app that is given nothing gets nothing, and one file is one file', async () => {
  const { page } = await app('Wanting');
  await write(page, ['a.txt', 'b.txt']);
  await importFiles(page, {});
  const asked = await fromKith(page);
  const [{ ask }] = await asks('Wanting');
  const { files } = await node.ask('asks.files', { ask });
  assert.ok(files.length > 1);
  const all = files.map((/** @type {any} */ one) => ({ space: one.space, hash: one.file.hash }));
  await assert.rejects(node.ask('asks.give', { ask, files: all }), /not as many files/);
  await assert.rejects(node.ask('asks.place', { ask, space: chat.space }), /no answer to what the app asks/);
  await asked.getByRole('button', { name: 'Give nothing' }).click();
  await asked.getByRole('heading', { name: 'Nothing was given' }).waitFor();
  assert.deepEqual(await fate(page), ['resolved', []]);
  assert.equal((await call(page, 'space.import', { extensions: Array(65).fill('.a') }))[0], 'too_large');
});
