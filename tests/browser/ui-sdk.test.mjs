// kith.js and webxdc.js against a node that goes away, is slow, refuses and fails.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, test } from 'node:test';

import { faults, useBrowser } from './fixture/open.mjs';
import { KithError } from './fixture/error.mjs';

const ROOT = resolve(import.meta.dirname, '../..');
/** A page of the origin that runs nothing of its own. */
const BARE = 'manifest.toml';
const browser = useBrowser();

afterEach(() => assert.deepEqual(faults.splice(0), []));

/** Runs in the page, with `kith.js` as `kith`. @param {import('playwright-core').Page} page @param {string} code */
const inPage = (page, code) => page.evaluate(`(async () => { const kith = await import('/.kith/kith.js'); ${code} })()`);

test('a watch misses nothing and doubles nothing over lost connections', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'ada', BARE);
  await inPage(page, `
    window.seen = [];
    void (async () => { for await (const { body } of kith.space.watch()) window.seen.push(body); })();
  `);
  for (let n = 0; n < 100; n++) {
    fixture.room.write('ben', { json: n });
    if (n % 10 === 5) for (const socket of fixture.sockets) socket.terminate();
    if (n % 20 === 5) await page.waitForFunction((n) => window.seen.length === n + 1, n);
  }
  await page.waitForFunction(() => window.seen.length === 100);
  assert.deepEqual(await page.evaluate(() => window.seen), Array.from({ length: 100 }, (_, n) => n));
});

test('a slow reader of a watch gets every entry', async () => {
  const fixture = await browser.fixture('empty');
  for (let n = 0; n < 5_000; n++) fixture.room.entries.push({ serial: n + 1, author: 'ben', index: n, lamport: n, time: 0, kind: 'app', body: { json: n } });
  const page = await browser.open(fixture, 'ada', BARE);
  const seen = await inPage(page, `
    const seen = [];
    for await (const { body } of kith.space.watch()) {
      seen.push(body);
      if (body % 100 === 0) await new Promise((done) => setTimeout(done));
      if (seen.length === 5000) return seen;
    }
  `);
  assert.deepEqual(seen, Array.from({ length: 5_000 }, (_, n) => n));
});

test('an append whose answer is lost is written once', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'ada', BARE);
  const { room } = fixture;
  const call = room.call.bind(room);
  let lost = 0;
  room.call = (id, method, params) => {
    const answer = call(id, method, params);
    // Written, but the connection ends before it is said; or ends before it is written.
    if (method !== 'space.append' || lost >= 4) return answer;
    if (lost++ % 2 === 1) room.entries.pop();
    for (const socket of fixture.sockets) socket.terminate();
    return new Promise(() => {});
  };
  const done = await inPage(page, `return Promise.all(['a', 'b', 'a'].map((body) => kith.space.append(body)));`);
  assert.deepEqual(room.entries.map(({ body }) => body.json).sort(), ['a', 'a', 'b']);
  assert.equal(new Set(done.map((/** @type {any} */ one) => one.serial)).size, 3);
});

test('bytes come back as bytes, and errors in their parts', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'ada', BARE);
  const bytes = await inPage(page, `
    const sent = Uint8Array.from({ length: 10000 }, (_, n) => n * 7);
    await kith.space.append(sent);
    const [{ body }] = await kith.space.read();
    return body instanceof Uint8Array && body.every((byte, n) => byte === sent[n]) && body.length;
  `);
  assert.equal(bytes, 10_000);
  fixture.room.failing.set('space.send', new KithError('too_large', 'The message is too large.', 'It has 200 KiB.', 'Send less.'));
  const error = await inPage(page, `
    return kith.space.send(1).catch((error) => [error instanceof kith.KithError, error.code, error.what, error.why, error.todo, error.message]);
  `);
  assert.deepEqual(error, [true, 'too_large', 'The message is too large.', 'It has 200 KiB.', 'Send less.', 'The message is too large. It has 200 KiB. Send less.']);
});

test('an abort ends a call and an iterator, and frees the node', async () => {
  const fixture = await browser.fixture('empty');
  fixture.room.silent.add('space.members');
  const page = await browser.open(fixture, 'ada', BARE);
  const said = await inPage(page, `
    const call = new AbortController();
    const members = kith.space.members({ signal: call.signal }).catch((error) => error.name);
    call.abort();
    const watch = new AbortController();
    const ended = (async () => { for await (const _ of kith.space.watch({ signal: watch.signal })) {} return 'ended'; })();
    await kith.me();
    watch.abort();
    return [await members, await ended];
  `);
  assert.deepEqual(said, ['AbortError', 'ended']);
  await inPage(page, 'await kith.me()');
  // What is left is kith.js's own, which hears of updates.
  assert.deepEqual([...fixture.room.subscribers.get('ada') ?? []].map(({ to }) => to), ['app']);
});

test('the page of a space that was left is told so, and does not come back', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'ada', BARE);
  await inPage(page, 'window.ended = (async () => { for await (const _ of kith.space.watch()) {} })().catch((error) => error.code); await kith.me();');
  for (const socket of fixture.sockets) socket.close(4410, 'space_left');
  assert.equal(await page.evaluate(() => window.ended), 'space_left');
  assert.deepEqual(await inPage(page, 'return [kith.connection.state, await kith.me().catch((error) => error.code)]'), ['refused', 'space_left']);
});

test('a page that the node no longer knows is told so, for good', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'ada', BARE);
  await inPage(page, 'window.ended = (async () => { for await (const _ of kith.space.watch()) {} })().catch((error) => error.code); await kith.me();');
  fixture.refusing = true;
  for (const socket of fixture.sockets) socket.terminate();
  assert.equal(await page.evaluate(() => window.ended), 'refused');
  assert.deepEqual(await inPage(page, 'return [kith.connection.state, await kith.me().catch((error) => error.code)]'), ['refused', 'refused']);
});

test('messages that are not kept reach the others', async () => {
  const fixture = await browser.fixture('few');
  const ada = await browser.open(fixture, 'ada', BARE);
  const ben = await browser.open(fixture, 'ben', BARE);
  await inPage(ben, `
    window.heard = (async () => { for await (const message of kith.space.messages()) return message; })();
    await kith.me();
  `);
  await inPage(ada, `for await (const ids of kith.space.presence()) if (ids.includes('ben')) break; await kith.space.send({ wave: true });`);
  assert.deepEqual(await ben.evaluate(() => window.heard), { from: 'ada', body: { wave: true } });
});

test('webxdc: updates of oneself and others arrive in order, with serials, after a reload too', async () => {
  const fixture = await browser.fixture('few');
  const listen = `
    window.updates = [];
    window.caughtUp = webxdc.setUpdateListener((update) => window.updates.push(update), 0);
  `;
  const ada = await browser.open(fixture, 'ada', BARE);
  await ada.addScriptTag({ url: '/webxdc.js' });
  assert.deepEqual(await ada.evaluate(() => [window.webxdc.selfAddr, window.webxdc.selfName]), ['ada', 'Ada']);
  await ada.evaluate(`(async () => { ${listen} await window.caughtUp; for (let n = 0; n < 20; n++) webxdc.sendUpdate({ payload: { n }, info: 'moved', secret: 1 }, 'a move'); })()`);
  await ada.waitForFunction(() => window.updates.length === 20);
  const ben = await browser.open(fixture, 'ben', BARE);
  await ben.addScriptTag({ url: '/webxdc.js' });
  const got = await ben.evaluate(`(async () => { ${listen} await window.caughtUp; return window.updates; })()`);
  assert.deepEqual(got.map((/** @type {any} */ update) => update.payload.n), Array.from({ length: 20 }, (_, n) => n));
  assert.equal(got.at(-1).serial, got.at(-1).max_serial);
  assert.ok(got.every((/** @type {any} */ update) => update.max_serial === got.at(-1).serial && update.info === 'moved' && !('secret' in update)));
  // A page that has seen some asks for the rest.
  const rest = await ben.evaluate(`(async () => { const rest = []; await webxdc.setUpdateListener((update) => rest.push(update.payload.n), ${got[14].serial}); return rest; })()`);
  assert.deepEqual(rest, [15, 16, 17, 18, 19]);
});

test('webxdc: the realtime channel carries bytes to others, and ends', async () => {
  const fixture = await browser.fixture('few');
  const [ada, ben] = await Promise.all(['ada', 'ben'].map((who) => browser.open(fixture, who, BARE)));
  for (const page of [ada, ben]) await page.addScriptTag({ url: '/webxdc.js' });
  await ben.evaluate(`
    window.channel = webxdc.joinRealtimeChannel();
    window.heard = new Promise((resolve) => window.channel.setListener((data) => resolve([...data])));
    undefined
  `);
  await ben.waitForFunction(async () => (await import(`${location.origin}/.kith/kith.js`)).connection.state === 'open');
  await inPage(ben, 'await kith.me()');
  await ada.evaluate('webxdc.joinRealtimeChannel().send(new Uint8Array([1, 2, 250]))');
  assert.deepEqual(await ben.evaluate(() => window.heard), [1, 2, 250]);
  const after = await ben.evaluate(`
    const twice = (() => { try { webxdc.joinRealtimeChannel(); return 'joined'; } catch { return 'refused'; } })();
    window.channel.leave();
    [twice, (() => { try { window.channel.send(new Uint8Array(1)); return 'sent'; } catch { return 'refused'; } })(), typeof webxdc.joinRealtimeChannel().send];
  `);
  assert.deepEqual(after, ['refused', 'refused', 'function']);
});

test('webxdc: files come in and go out by the person’s hand', async () => {
  const fixture = await browser.fixture('few');
  const ada = await browser.open(fixture, 'ada', BARE, await browser.context({ permissions: ['clipboard-read', 'clipboard-write'] }));
  await ada.addScriptTag({ url: '/webxdc.js' });
  const chosen = ada.evaluate(async () => (await window.webxdc.importFiles({ extensions: ['.txt'], multiple: true })).map(({ name, size }) => [name, size]));
  const chooser = ada.waitForEvent('filechooser');
  await ada.getByRole('dialog', { name: 'Choose files?' }).getByRole('button', { name: 'From this computer' }).click();
  await (await chooser).setFiles([{ name: 'one.txt', mimeType: 'text/plain', buffer: Buffer.from('1') }, { name: 'two.txt', mimeType: 'text/plain', buffer: Buffer.from('22') }]);
  assert.deepEqual(await chosen, [['one.txt', 1], ['two.txt', 2]]);
  const none = ada.evaluate(async () => (await window.webxdc.importFiles()).length);
  await ada.getByRole('dialog', { name: 'Choose a file?' }).getByRole('button', { name: 'Close' }).click();
  assert.equal(await none, 0);
  for (const [content, kept] of [[{ plainText: 'kept' }, 'kept'], [{ base64: btoa('kept') }, 'kept'], [{ plainText: '' }, '']]) {
    const over = ada.evaluate((content) => window.webxdc.sendToChat({ text: 'to paste', file: { name: 'out.txt', .../** @type {object} */ (content) } }), content);
    const dialog = ada.getByRole('dialog', { name: 'Send this to a chat?' });
    await dialog.getByText('to paste').waitFor();
    await dialog.getByText('You choose the chat on kith’s own page.').waitFor();
    const download = ada.waitForEvent('download');
    await dialog.getByRole('button', { name: 'Save the file' }).click();
    assert.equal((await download).suggestedFilename(), 'out.txt');
    assert.equal(readFileSync(await (await download).path(), 'utf8'), kept);
    await dialog.getByRole('button', { name: 'Copy the text' }).click();
    await dialog.getByRole('button', { name: 'Close' }).click();
    await over;
    assert.equal(await ada.evaluate(() => navigator.clipboard.readText()), 'to paste');
    assert.equal(await ada.getByRole('dialog').count(), 0);
  }
  assert.deepEqual(fixture.room.offers.map(({ text, file }) => [text, file.name]), Array(3).fill(['to paste', 'out.txt']));
  // Once the person has answered, elsewhere, the window goes by itself.
  const answered = ada.evaluate(() => window.webxdc.sendToChat({ text: 'only words' }));
  await ada.getByText('You choose the chat on kith’s own page.').waitFor();
  assert.match(await ada.evaluate(() => window.webxdc.sendToChat({ text: 'again' }).then(() => '', String)), /one thing at a time/);
  await ada.waitForFunction(() => document.querySelectorAll('html > div').length === 1);
  while (fixture.room.offers.length < 4) await inPage(ada, 'await kith.me()');
  fixture.room.answer();
  await answered;
  assert.equal(await ada.getByRole('dialog').count(), 0);
  fixture.room.failing.set('space.offer', new KithError('too_many', 'Too many apps ask for something.', '', 'Answer some of them first, in kith.'));
  const failed = ada.evaluate(() => window.webxdc.sendToChat({ text: 'refused' }).then(() => '', String));
  await ada.getByText('Too many apps ask for something. Answer some of them first, in kith.').waitFor();
  await ada.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
  assert.match(await failed, /Too many apps/);
  assert.match(await ada.evaluate(() => window.webxdc.sendToChat({}).then(() => '', String)), /nothing to send/);
  assert.match(await ada.evaluate(() => window.webxdc.sendToChat({ file: { name: 'a' } }).then(() => '', String)), /exactly one/);
});

test('the declarations are what kith.js says', () => {
  const out = mkdtempSync(join(tmpdir(), 'kith-types-'));
  try {
    execFileSync(join(ROOT, 'tests/browser/node_modules/.bin/tsc'), ['sdk/kith.js', 'sdk/app.js', 'sdk/blobs.js', 'sdk/connection.js', '--ignoreConfig', '--allowJs', '--declaration',
      '--emitDeclarationOnly', '--target', 'esnext', '--module', 'esnext', '--moduleResolution', 'bundler', '--types', '', '--outDir', out], { cwd: ROOT });
    for (const name of ['kith', 'blobs', 'connection']) {
      assert.equal(readFileSync(join(ROOT, `sdk/${name}.d.ts`), 'utf8'), readFileSync(join(out, `${name}.d.ts`), 'utf8'), 'make them anew: sdk/README.md says how');
    }
  } finally {
    rmSync(out, { recursive: true });
  }
});
