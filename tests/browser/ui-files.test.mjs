// The files of `kith.js`: handed in, named by entries, followed.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import { faults, useBrowser } from './fixture/open.mjs';
import { KithError } from './fixture/error.mjs';

/** A page of the origin that runs nothing of its own. */
const BARE = 'manifest.toml';
const browser = useBrowser();

afterEach(() => assert.deepEqual(faults.splice(0), []));

/** Runs in the page, with `kith.js` as `kith`. @param {import('playwright-core').Page} page @param {string} code */
const inPage = (page, code) => page.evaluate(`(async () => { const kith = await import('/.kith/kith.js'); ${code} })()`);

/** Until something holds on this side. @param {() => boolean} holds */
async function until(holds) {
  while (!holds()) await new Promise((done) => setImmediate(done));
}

test('a file is handed in, named by an entry, and read again', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'ada', BARE);
  const [sent, entry, text, told] = await inPage(page, `
    const told = [];
    const file = new File(['Hello, ', 'files'], 'ä b+c&d.txt', { type: 'text/plain;charset=utf-8' });
    const sent = await kith.blobs.add(file, { onProgress: ({ sent, size }) => told.push([sent, size]) });
    await kith.space.append({ text: 'Look' }, { attachments: [sent] });
    const [entry] = await kith.space.read();
    return [sent, entry, await (await fetch(kith.blobs.url(entry.attachments[0]))).text(), told.at(-1)];
  `);
  assert.deepEqual([sent.name, sent.type, sent.size], ['ä b+c&d.txt', 'text/plain', 12]);
  assert.deepEqual([entry.body, entry.attachments], [{ text: 'Look' }, [sent]]);
  assert.equal(text, 'Hello, files');
  assert.deepEqual(told, [12, 12]);
  assert.equal(await inPage(page, `return kith.blobs.url('ab', { download: true })`), '/.kith/blobs/ab?download');
});

test('streams, blobs, and names that no file can have', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'ada', BARE);
  const names = await inPage(page, `
    const stream = new Blob(['streamed']).stream();
    const all = [await kith.blobs.add(stream, { name: 'a/b\\\\c\\n.txt', type: 'nonsense' })];
    for (const name of ['..', '', '\\ud800', 'x'.repeat(300) + '.jpeg', 'ä'.repeat(300)]) all.push(await kith.blobs.add(new Blob([name]), { name }));
    all.push(await kith.blobs.add(new Blob(['unnamed'], { type: 'IMAGE/PNG' })));
    return all.map(({ name, type }) => [name, type]);
  `);
  assert.deepEqual(names.slice(0, 3), [['c_.txt', ''], ['file', ''], ['file', '']]);
  assert.equal(names[3][0], '\ufffd');
  assert.equal(names[4][0], `${'x'.repeat(250)}.jpeg`);
  assert.equal(names[5][0], 'ä'.repeat(127));
  assert.deepEqual(names[6], ['file', 'image/png']);
});

test('three are sent at once, and an abort ends one under way and one that waits', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'ada', BARE);
  const { files } = fixture.room;
  /** @type {() => void} */ let release = () => {};
  files.hold = new Promise((done) => { release = () => done(undefined); });
  await inPage(page, `
    const large = (letter) => new Blob([letter.repeat(20_000_000)]);
    window.aborts = ['a', 'b', 'c', 'd', 'e'].map(() => new AbortController());
    window.sent = ['a', 'b', 'c', 'd', 'e'].map((letter, n) => kith.blobs.add(large(letter), { name: letter, signal: window.aborts[n].signal })
      .then(({ name }) => name, (error) => error.name));
  `);
  await until(() => files.taken > 0);
  await page.evaluate('window.aborts[0].abort(); window.aborts[4].abort();');
  assert.equal(await page.evaluate('window.sent[0]'), 'AbortError');
  assert.equal(await page.evaluate('window.sent[4]'), 'AbortError');
  release();
  await until(() => files.cut === 1);
  assert.deepEqual(await page.evaluate('Promise.all(window.sent)'), ['AbortError', 'b', 'c', 'd', 'AbortError']);
});

test('a file that is refused says why, and one that is cut off is sent again when the node is back', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'ada', BARE);
  const { files } = fixture.room;
  files.failing = new KithError('disk_full', 'The file was not saved.', 'The disk is full.', 'Make room.');
  const error = await inPage(page, `return kith.blobs.add(new Blob(['x'])).catch((error) => [error instanceof kith.KithError, error.code, error.message]);`);
  assert.deepEqual(error, [true, 'disk_full', 'The file was not saved. The disk is full. Make room.']);
  files.failing = undefined;
  fixture.stop();
  await inPage(page, `window.ended = kith.blobs.add(new Blob(['again']), { name: 'again' }).then(({ name }) => name);`);
  fixture.down = false;
  await inPage(page, 'kith.connection.retry();');
  assert.equal(await page.evaluate('window.ended'), 'again');
});

test('an append with files whose answer is lost is written once, and the same words with others are another', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'ada', BARE);
  const { room } = fixture;
  const call = room.call.bind(room);
  let lost = 0;
  room.call = (id, method, params) => {
    const answer = call(id, method, params);
    if (method !== 'space.append' || lost >= 4) return answer;
    if (lost++ % 2 === 1) room.entries.pop();
    for (const socket of fixture.sockets) socket.terminate();
    return new Promise(() => {});
  };
  await inPage(page, `
    const [a, b] = await Promise.all(['a', 'b'].map((name) => kith.blobs.add(new Blob([name]), { name })));
    return Promise.all([[a], [b], [a], []].map((attachments) => kith.space.append('same', { attachments })));
  `);
  assert.deepEqual(room.entries.map(({ attachments }) => attachments.map((/** @type {any} */ file) => file.name).join()).sort(), ['', 'a', 'a', 'b']);
});

test('files are followed over lost connections, also those that went meanwhile', async () => {
  const fixture = await browser.fixture('empty');
  const { files } = fixture.room;
  const film = files.add('film.mp4', 'video/mp4', 'film', { stage: 'waiting', bytes: 0 });
  const song = files.add('song.ogg', 'audio/ogg', 'song');
  const page = await browser.open(fixture, 'ada', BARE);
  await inPage(page, `
    window.seen = [];
    void (async () => { for await (const files of kith.blobs.watch()) window.seen.push(files.map(({ hash, stage }) => [hash.slice(0, 8), stage])); })();
  `);
  const [of, and] = [film.hash.slice(0, 8), song.hash.slice(0, 8)];
  await page.waitForFunction(() => window.seen.length === 1);
  await inPage(page, `await kith.blobs.fetch('${film.hash}'); await kith.blobs.pause('${film.hash}');`);
  await page.waitForFunction(() => window.seen.length === 3);
  for (const socket of fixture.sockets) socket.terminate();
  files.set(song.hash, { stage: 'absent' });
  await page.waitForFunction(() => window.seen.length === 4);
  assert.deepEqual(await page.evaluate(() => window.seen), [
    [[of, 'waiting'], [and, 'complete']], [[of, 'fetching']], [[of, 'paused']], [[of, 'paused'], [and, 'absent']],
  ]);
});
