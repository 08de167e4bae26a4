// Files in Chat, by what a person sees and does.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import { faults, useBrowser } from './fixture/open.mjs';
import { png, wav } from './fixture/pictures.mjs';
import { KithError } from './fixture/error.mjs';

/** @typedef {import('playwright-core').Page} Page */

const browser = useBrowser();

afterEach(() => assert.deepEqual(faults.splice(0), []));

const box = (/** @type {Page} */ page) => page.getByRole('textbox', { name: 'Message' });
const ready = (/** @type {Page} */ page) => page.locator('#thread[aria-busy=false]').waitFor();
const photo = { name: 'harbour.png', mimeType: 'image/png', buffer: png(80, 50) };
const plan = { name: 'plan.pdf', mimeType: 'application/pdf', buffer: Buffer.from('the plan') };
/** @param {Page} page @param {(typeof photo)[]} files */
const choose = (page, files) => page.locator('#choose').setInputFiles(files);

test('a picture and a file go with a message, and the other person sees and saves them', async () => {
  const fixture = await browser.fixture('empty');
  const [ada, ben] = await Promise.all(['ada', 'ben'].map((who) => browser.open(fixture, who)));
  await Promise.all([ready(ada), ready(ben)]);
  await choose(ada, [photo, plan]);
  await ada.getByRole('list', { name: 'Files to send' }).getByText('plan.pdf').waitFor();
  await box(ada).fill('Look');
  await ada.keyboard.press('Enter');
  await ben.getByRole('article', { name: 'Look · Picture: harbour.png · File: plan.pdf' }).waitFor();
  const picture = ben.getByRole('button', { name: 'Picture: harbour.png' });
  await ben.waitForFunction(() => /** @type {HTMLImageElement | null} */ (document.querySelector('article img'))?.naturalWidth === 80);
  const [download] = await Promise.all([ben.waitForEvent('download'), ben.getByRole('link', { name: 'Save plan.pdf' }).click()]);
  assert.equal(download.suggestedFilename(), 'plan.pdf');
  await picture.press('Enter');
  const viewer = ben.getByRole('dialog', { name: 'harbour.png' });
  await viewer.getByRole('img', { name: 'Picture: harbour.png' }).waitFor();
  await ben.keyboard.press('Escape');
  await viewer.waitFor({ state: 'hidden' });
  assert.equal(await picture.evaluate((node) => node === document.activeElement), true);
  assert.equal(await ada.locator('.fate').count(), 0);
  assert.deepEqual(fixture.room.entries.map(({ body }) => body.json), [{ text: 'Look', look: [[80, 50], null] }]);
});

test('pictures are pasted and dropped, several at once, and need no words', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'ada');
  await ready(page);
  const give = (/** @type {string} */ kind, /** @type {string[]} */ names) => page.evaluate(([kind, names, bytes]) => {
    const data = new DataTransfer();
    for (const name of /** @type {string[]} */ (names)) data.items.add(new File([Uint8Array.from(/** @type {number[]} */ (bytes))], name, { type: 'image/png' }));
    if (kind === 'paste') document.querySelector('#text')?.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
    else for (const type of ['dragenter', 'dragover', 'drop']) document.body.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
  }, [kind, names, [...photo.buffer]]);
  await give('paste', ['one.png']);
  await give('drop', ['two.png', 'three.png']);
  assert.equal(await page.locator('#veil').isHidden(), true);
  await page.getByRole('button', { name: 'Remove two.png' }).click();
  await box(page).press('Enter');
  await page.getByRole('article', { name: 'Picture: one.png · Picture: three.png' }).and(page.locator(':not(.sending)')).waitFor();
  assert.equal(await page.locator('#tray').isHidden(), true);
  assert.equal(fixture.room.entries[0].attachments.length, 2);
  await page.getByRole('button', { name: 'Picture: one.png' }).click();
  await page.keyboard.press('ArrowRight');
  await page.getByRole('dialog', { name: '2 of 2 · three.png' }).waitFor();
});

test('sending tells how far it is, and can be given up', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'ada');
  await ready(page);
  /** @type {() => void} */ let release = () => {};
  fixture.room.files.hold = new Promise((done) => { release = () => done(undefined); });
  await choose(page, [{ name: 'film.bin', mimeType: '', buffer: Buffer.alloc(30_000_000) }]);
  await box(page).fill('A large one');
  await page.keyboard.press('Enter');
  await page.getByText(/ of 30 MB sent/).waitFor();
  await page.getByRole('progressbar', { name: 'film.bin: sent' }).waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  // It is back where it was written.
  await page.getByRole('button', { name: 'Remove film.bin' }).waitFor();
  assert.equal(await page.locator('article').count(), 0);
  assert.equal(await box(page).inputValue(), 'A large one');
  release();
  while (fixture.room.files.cut === 0) await new Promise((done) => setImmediate(done));
  assert.equal(fixture.room.entries.length, 0);
});

test('a file that is not saved says why, and the message is sent again', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'ada');
  await ready(page);
  fixture.room.files.failing = new KithError('disk_full', 'The file was not saved.', 'The disk is full.', 'Make room.');
  await choose(page, [photo, plan]);
  await box(page).fill('Precious');
  await page.keyboard.press('Enter');
  await page.getByText('Not sent. The file was not saved. The disk is full. Make room.').waitFor();
  fixture.room.files.failing = undefined;
  await page.getByRole('button', { name: 'Send again' }).click();
  await page.locator('.fate').waitFor({ state: 'detached' });
  assert.deepEqual(fixture.room.entries.map(({ attachments }) => attachments.map((/** @type {any} */ file) => file.name)), [['harbour.png', 'plan.pdf']]);
});

test('a reload while files are sent says that they are to be added again', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'ada');
  await ready(page);
  fixture.room.files.hold = new Promise(() => {});
  await choose(page, [plan]);
  await page.keyboard.press('Enter');
  await page.getByText('Sending').waitFor();
  await page.reload();
  await page.getByText('Not sent. The page was closed before its files were sent. Add them again.').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Send again' }).count(), 0);
  await page.getByRole('button', { name: 'Discard' }).click();
  await page.locator('article').waitFor({ state: 'detached' });
});

test('what is not here says how it stands, and is steered', async () => {
  const fixture = await browser.fixture('empty');
  const { files } = fixture.room;
  const picture = files.add('far.png', 'image/png', png(60, 60), { stage: 'absent', bytes: 0 });
  const film = files.add('film.mp4', 'video/mp4', 'no film', { stage: 'absent', bytes: 0 });
  const archive = files.add('all.zip', 'application/zip', 'x'.repeat(5_000), { stage: 'absent', bytes: 0 });
  fixture.room.write('ben', { json: { text: 'Three', look: [[60, 60], [640, 360]] } }, 'app', Date.now(), [picture, film, archive]);
  const page = await browser.open(fixture, 'ada');
  await ready(page);
  // The picture is fetched by itself, the others are not.
  await page.getByRole('button', { name: 'Pause: far.png' }).waitFor();
  assert.deepEqual(files.states().map(({ hash }) => hash), [picture.hash]);
  files.set(picture.hash, { stage: 'waiting' });
  await page.getByText('Nobody who has it is here; it comes when they do.').waitFor();
  files.set(picture.hash, { stage: 'complete' });
  await page.waitForFunction(() => /** @type {HTMLImageElement | null} */ (document.querySelector('article img'))?.naturalWidth === 60);
  await page.getByRole('button', { name: 'Get it: all.zip' }).click();
  files.set(archive.hash, { bytes: 2_000, speed: 1_000, left: 3_000 });
  await page.getByText('2 kB of 5 kB · 1 kB/s · 3 sec left').waitFor();
  await page.getByRole('button', { name: 'Pause: all.zip' }).click();
  await page.getByText('Paused at 2 kB of 5 kB').waitFor();
  files.set(archive.hash, { stage: 'failed', error: { code: 'disk_full', what: 'It can’t be stored.', why: 'The disk is full.', todo: 'Make room.' } });
  await page.getByText('It can’t be stored. The disk is full. Make room.').waitFor();
  await page.getByRole('button', { name: 'Try again: all.zip' }).waitFor();
  await page.getByRole('button', { name: 'Play film.mp4' }).waitFor();
});

test('sounds play, pictures that are none are files, and nothing that others write breaks the room', async () => {
  const fixture = await browser.fixture('empty');
  const { files } = fixture.room;
  const sound = files.add('tone.wav', 'audio/wav', wav());
  const lie = files.add('<b>lie</b>.png', 'image/png', 'no picture');
  const drawing = files.add('drawing.svg', 'image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg"><script>hit=1</script></svg>');
  const page = await browser.open(fixture, 'ada');
  await ready(page);
  for (const json of [null, 'text', { text: 7 }, { text: '', look: 'wide' }, { look: [[0, 1e9], [-1], 'x'] }]) {
    fixture.room.write('ben', { json }, 'app', Date.now(), [sound, lie, drawing]);
  }
  await page.getByText('<b>lie</b>.png').last().waitFor();
  await page.getByRole('link', { name: 'Save drawing.svg' }).last().waitFor();
  const last = page.locator('article').last();
  assert.equal(await last.getAttribute('aria-posinset'), '3');
  assert.equal(await last.locator('img').count(), 0);
  assert.equal(await last.locator('audio').evaluate(async (/** @type {HTMLAudioElement} */ node) => { await node.play(); return node.duration; }), 1);
});

test('at the end the newest stays in view while files come', async () => {
  const fixture = await browser.fixture('full');
  const page = await browser.open(fixture, 'ada');
  await ready(page);
  for (let n = 0; n < 8; n++) {
    fixture.room.write('ben', { json: { text: '', look: [[300, 200 + n]] } }, 'app', Date.now(), [fixture.room.files.add(`${n}.png`, 'image/png', png(300, 200 + n, n))]);
  }
  await page.getByRole('button', { name: 'Picture: 7.png' }).waitFor();
  await page.waitForFunction(() => {
    const thread = /** @type {Element} */ (document.getElementById('thread'));
    return thread.scrollTop + thread.clientHeight >= thread.scrollHeight - 2;
  });
  assert.equal(await page.locator('#down').isHidden(), true);
});
