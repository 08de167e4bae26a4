// Drop alone, in front of the stand-in node: what it takes, shows, and says.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, test } from 'node:test';

import { faults, useBrowser } from './fixture/open.mjs';
import { KithError } from './fixture/error.mjs';

/** @typedef {import('playwright-core').Page} Page */

const browser = useBrowser();

afterEach(() => assert.deepEqual(faults.splice(0), []));

/** Some file. @param {string} name @param {number} [size] @param {string} [mimeType] */
const some = (name, size = 5, mimeType = 'text/plain') => ({ name, mimeType, buffer: Buffer.alloc(size, name) });
/** @param {Page} page @param {ReturnType<typeof some>[]} files */
const add = (page, ...files) => page.locator('#files').setInputFiles(files);
/** The row of a file. @param {Page} page @param {string} name */
const row = (page, name) => page.locator('li.file', { has: page.locator(`.name[title="${name}"]`) });
/** @param {Page} page */
const ready = (page) => page.getByRole('button', { name: 'Add files' }).waitFor();

test('files cross between people, with who they are from', async () => {
  const fixture = await browser.fixture('empty');
  const [ada, ben] = await Promise.all(['drop-ada', 'drop-ben'].map((who) => browser.open(fixture, who)));
  await ready(ada);
  await ben.getByText('Nothing here yet').waitFor();
  await add(ada, some('one.txt'), some('two.bin', 70_000, 'application/x-two'));
  for (const page of [ada, ben]) {
    await row(page, 'one.txt').waitFor();
    await row(page, 'two.bin').getByText('70 kB').waitFor();
  }
  await ben.getByRole('article', { name: 'Ada: 2 files' }).waitFor();
  const [entry] = fixture.drop.entries;
  assert.equal(entry.body.json.type, 'files');
  assert.deepEqual(entry.attachments.map((/** @type {any} */ one) => [one.name, one.size, one.type]), [['one.txt', 5, 'text/plain'], ['two.bin', 70_000, 'application/x-two']]);
});

test('what is dropped on the page is added', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'drop-ada');
  await ready(page);
  /** @param {string} type */
  const drag = (type) => page.evaluate((type) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File(['dropped'], 'dropped.txt', { type: 'text/plain' }));
    document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
  }, type);
  await drag('dragenter');
  await page.getByText('Drop to add').waitFor();
  await drag('drop');
  await row(page, 'dropped.txt').waitFor();
  assert.equal(await page.getByText('Drop to add').count(), 0);
});

test('a folder stays one, with the places of its files, however many they are', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'drop-ada');
  await ready(page);
  const folder = join(mkdtempSync(join(tmpdir(), 'kith-test-drop-')), 'Things');
  mkdirSync(join(folder, 'inner'), { recursive: true });
  for (let n = 0; n < 70; n++) writeFileSync(join(folder, n < 5 ? 'inner' : '.', `${n}.txt`), String(n));
  await page.locator('#folder').setInputFiles(folder);
  await page.getByRole('article', { name: 'You: Things' }).waitFor();
  await page.getByText('70 files').waitFor();
  await page.getByRole('button', { name: 'Show 64 more files' }).click();
  await row(page, 'inner/3.txt').waitFor();
  assert.equal(await page.locator('li.file').count(), 70);
  assert.equal(await page.locator('article').count(), 1);
  const bodies = fixture.drop.entries.map(({ body }) => body.json);
  assert.deepEqual(bodies.map(({ paths }) => paths.length), [64, 6]);
  assert.equal(bodies[0].group, bodies[1].group);
  assert.deepEqual(bodies.flatMap(({ paths }) => paths).filter((/** @type {string} */ path) => path.includes('inner/')).length, 5);
  rmSync(join(folder, '..'), { recursive: true });
});

test('what can’t be added says why, and goes on when that is mended', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'drop-ada');
  await ready(page);
  fixture.drop.full = new KithError('disk_full', 'The disk is full.', '3 MB are needed.', 'Make room, then try again.');
  await add(page, some('large.bin', 3_000_000));
  await page.getByText('large.bin: The disk is full.').waitFor();
  assert.equal(fixture.drop.entries.length, 0);
  fixture.drop.full = undefined;
  await page.getByRole('button', { name: 'Try again' }).click();
  await row(page, 'large.bin').waitFor();
  assert.equal(await page.getByText('The disk is full').count(), 0);
});

test('what is being added can be stopped, and nothing of it is said', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'drop-ada');
  await ready(page);
  fixture.drop.taking = new Promise(() => {});
  await add(page, some('slow.bin', 3_000_000));
  await page.getByText('Adding slow.bin').waitFor();
  await page.getByRole('button', { name: 'Stop adding slow.bin' }).click();
  await page.getByText('Nothing here yet').waitFor();
  assert.equal(fixture.drop.entries.length, 0);
});

test('a file that comes is paused, goes on, arrives, and is removed after a question', async () => {
  const fixture = await browser.fixture('full');
  const page = await browser.open(fixture, 'drop-ada');
  const film = row(page, 'Ferry crossing, first try.mp4');
  await film.getByText('308 MB of 734 MB · 38.4 MB/s · 11 sec left · from Chidi Okonkwo and Ben').waitFor();
  await film.getByRole('button', { name: /^Pause/ }).click();
  await film.getByText('paused at 42%').or(film.getByText('paused at 17%')).waitFor();
  await film.getByRole('button', { name: /^Go on with/ }).click();
  await film.getByText('from Chidi Okonkwo').waitFor();
  const { hash } = fixture.drop.entries.flatMap(({ attachments }) => attachments).find(({ name }) => name.startsWith('Ferry'));
  fixture.drop.set('ada', hash, 'complete');
  await film.getByText('here · with Chidi Okonkwo').waitFor();
  await film.getByRole('button', { name: /^Remove/ }).click();
  await page.getByText('It stays with Chidi Okonkwo').waitFor();
  await page.getByRole('button', { name: 'Remove it' }).click();
  await film.getByRole('button', { name: /^Get/ }).waitFor();
  await row(page, 'broken.iso').getByText('The disk is full. 4.7 GB are needed').waitFor();
  await row(page, 'Interview.flac').getByText('waits for Dana, who is away').waitFor();
});

test('small files come by themselves; large ones, and removed ones, when they are asked for', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'drop-ada');
  await ready(page);
  const [small, large, removed] = [fixture.drop.keep('small.txt', '', 99_000_000), fixture.drop.keep('large.txt', '', 101_000_000), fixture.drop.keep('removed.txt', '', 3)];
  fixture.drop.drop('ben', [small, large, removed], { type: 'files' });
  await row(page, 'small.txt').getByText('of 99 MB').waitFor();
  await row(page, 'large.txt').getByRole('button', { name: 'Get large.txt' }).waitFor();
  await row(page, 'removed.txt').getByRole('button', { name: /^Remove/ }).click();
  await page.getByRole('button', { name: 'Remove it' }).click();
  await row(page, 'removed.txt').getByRole('button', { name: /^Get/ }).waitFor();
  await page.reload();
  await row(page, 'small.txt').getByText('of 99 MB').waitFor();
  await row(page, 'removed.txt').getByRole('button', { name: /^Get/ }).waitFor();
  await page.getByRole('checkbox').uncheck();
  fixture.drop.drop('ben', [fixture.drop.keep('later.txt', '', 3)], { type: 'files' });
  await row(page, 'later.txt').getByRole('button', { name: /^Get/ }).waitFor();
});

test('thousands of small files come by themselves', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'drop-ada');
  await ready(page);
  const fetched = () => [...fixture.drop.states.get('ada')?.values() ?? []].filter(({ stage }) => stage === 'fetching').length;
  for (let at = 0; at < 40; at++) {
    const hashes = Array.from({ length: 64 }, (_, n) => fixture.drop.keep(`${at}-${n}.txt`, '', 1_000 + at));
    fixture.drop.drop('ben', hashes, { type: 'files', group: 'many' });
  }
  await page.waitForFunction(() => document.querySelector('.coming')?.textContent?.includes('2,560'));
  assert.equal(fetched(), 2_560);
});

test('pages tell each other what they have', async () => {
  const fixture = await browser.fixture('empty');
  const [ada, ben] = await Promise.all(['drop-ada', 'drop-ben'].map((who) => browser.open(fixture, who)));
  await ready(ben);
  await add(ada, some('film.bin', 200_000));
  await row(ben, 'film.bin').getByText('from').waitFor();
  await row(ada, 'film.bin').getByText('ben has 42%').waitFor();
  fixture.drop.set('ben', fixture.drop.entries[0].attachments[0].hash, 'complete');
  await row(ada, 'film.bin').getByText('200 kB · with ben').waitFor();
});

test('pictures are small beside their names, and large when they are wanted; a folder opens', async () => {
  const fixture = await browser.fixture('full');
  const page = await browser.open(fixture, 'drop-ada');
  await page.waitForFunction(() => [.../** @type {NodeListOf<HTMLImageElement>} */ (document.querySelectorAll('img.picture'))].some((one) => one.naturalWidth === 2));
  await page.getByRole('button', { name: 'Look at Harbour at dawn.png' }).click();
  const dialog = page.getByRole('dialog', { name: 'Harbour at dawn.png' });
  await dialog.getByRole('img').waitFor();
  const download = page.waitForEvent('download');
  await dialog.getByRole('link', { name: 'Save' }).click();
  assert.equal((await download).suggestedFilename(), 'Harbour at dawn.png');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Files in Recordings' }).click();
  await row(page, 'track 100.flac').last().waitFor();
  await page.getByRole('button', { name: 'Show more', exact: true }).click();
  await row(page, 'track 200.flac').last().waitFor();
});

test('what others write is text, whatever it says', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'drop-ada');
  await ready(page);
  const bad = '<img src=x onerror="window.hit=1">';
  fixture.drop.names.set('eve', bad);
  const hash = fixture.drop.keep(bad, 'image/svg+xml', 9);
  for (const json of [null, 7, 'text', [], { paths: 'x', folder: 7, group: [] }, { paths: [1, null], folder: bad, group: bad }, { totals: [{ size: -1, files: bad }] }, { totals: bad }]) fixture.drop.drop('eve', [hash], json);
  fixture.drop.write('eve', { json: { type: 'files', paths: ['a'] } });
  fixture.drop.message('eve', { have: [[1, 2], null, ['x', 'y'], [hash.slice(0, 16), -1]] });
  fixture.drop.message('eve', { have: 'all' });
  await page.locator('article').nth(7).waitFor();
  assert.equal(await page.locator('article').count(), 8);
  assert.equal(await page.locator('.name').first().getAttribute('title'), bad);
  assert.equal(await page.evaluate('window.hit'), undefined);
});

test('a link and its QR code are there, or why they are not', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'drop-ada');
  await page.getByRole('img', { name: /QR code/ }).waitFor();
  assert.match(await page.locator('#link').inputValue(), /^kith:\/\//);
  fixture.drop.failing.set('space.link', new KithError('permission_denied', 'This app may not make links.'));
  await page.reload();
  await page.getByText('This app may not make links.').waitFor();
});

test('10,000 files are there, and few are drawn', async () => {
  const fixture = await browser.fixture('huge');
  const page = await browser.open(fixture, 'drop-ada');
  await page.getByText('10,000 files').waitFor();
  assert.ok(await page.locator('li.file').count() <= 6);
});

test('a name that no system takes is changed before it is handed in', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'drop-ada');
  await ready(page);
  const cleaned = await page.evaluate(async () => {
    const { cleanName } = await import(`${location.origin}/adding.js`);
    return ['a.txt', '', '.', '..', 'a/b', 'a\\b', 'a\u0000b\n', '\ud800x', `${'é'.repeat(200)}.txt`].map(cleanName);
  });
  assert.deepEqual(cleaned.slice(0, 8), ['a.txt', '_', '_', '_', 'a_b', 'a_b', 'a_b_', '\ufffdx']);
  assert.ok(Buffer.byteLength(cleaned[8]) <= 255);
});

test('Drop’s copies of what it is built on are the dashboard’s', () => {
  const root = resolve(import.meta.dirname, '../..');
  for (const name of ['preact.js', 'hooks.js', 'htm.js', 'preact.LICENSE', 'htm.LICENSE']) {
    assert.equal(readFileSync(join(root, 'apps/drop/vendor', name), 'utf8'), readFileSync(join(root, 'web/vendor', name), 'utf8'), name);
  }
});

test('kith’s bar lies at the foot whatever the app’s style says, and the app leaves room for it', async () => {
  const fixture = await browser.fixture('full');
  for (const [who, room, foot] of /** @type {const} */ ([['drop-ada', fixture.drop, '.columns'], ['ada', fixture.room, '#composer, .composer']])) {
    const page = await browser.open(fixture, who);
    await (who === 'ada' ? page.locator('#thread[aria-busy=false]') : page.getByRole('button', { name: 'Add files' })).waitFor();
    room.tell('app', () => ({ type: 'update', loaded: 'ab', version: 2, state: 'older' }));
    const bar = page.getByRole('complementary', { name: 'kith' });
    await bar.getByRole('button', { name: 'Reload' }).waitFor();
    const [at, height] = [await bar.boundingBox(), page.viewportSize()?.height ?? 0];
    assert.ok(at && at.height < 100 && Math.abs(at.y + at.height - height) < 1, JSON.stringify(at));
    await page.waitForFunction(() => document.documentElement.style.getPropertyValue('--kith-bar') !== '');
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    const last = await page.locator(foot).last().boundingBox();
    assert.ok(last && last.y + last.height <= at.y + 1, `${who}: ${JSON.stringify(last)} under ${at.y}`);
    await bar.getByRole('button', { name: 'Later' }).click();
    await bar.waitFor({ state: 'detached' });
    assert.equal(await page.evaluate(() => document.documentElement.style.getPropertyValue('--kith-bar')), '');
  }
});

test('names that run from right to left stay whole, and who gave a file is said', async () => {
  const fixture = await browser.fixture('few');
  const page = await browser.open(fixture, 'drop-ada');
  await ready(page);
  const name = 'تقرير الرحلة إلى الجزيرة.pdf';
  const hash = fixture.drop.keep(name, '', 8);
  fixture.drop.set('ada', hash, 'complete', { from: [{ member: 'ben', bytes: 5, sending: false, failure: null }, { member: 'chidi', bytes: 3, sending: false, failure: null }] });
  fixture.drop.drop('ben', [hash], { type: 'files' });
  await row(page, name).getByText('here, from Ben and Chidi Okonkwo').waitFor();
  const [start, end] = await row(page, name).locator('.name bdi').evaluateAll((parts) => parts.map((part) => part.getBoundingClientRect().left));
  assert.ok(start !== undefined && end !== undefined && start > end, 'its beginning is on the right');
});
