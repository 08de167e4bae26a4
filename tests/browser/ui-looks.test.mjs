// What holds for every page: labels and contrast, phone width, sizes, one set of tokens.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { afterEach, test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { faults, useBrowser } from './fixture/open.mjs';
import { png } from './fixture/pictures.mjs';

const ROOT = resolve(import.meta.dirname, '../..');
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** The dashboard's scripts, gzipped, in bytes: 60 KB. */
const BUDGET = 60_000;
const browser = useBrowser();

afterEach(() => assert.deepEqual(faults.splice(0), []));

/** What axe finds wrong by WCAG 2.2 AA, in short. @param {import('playwright-core').Page} page */
async function wrong(page) {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { violations } = await /** @type {any} */ (window).axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'] });
    return violations.flatMap((/** @type {any} */ one) => one.nodes.map((/** @type {any} */ node) => `${one.id}: ${node.target} (${node.any[0]?.message ?? one.help})`));
  });
}

/** Whether something is wider than the page. @param {import('playwright-core').Page} page */
const tooWide = (page) => page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  for (const width of [360, 1100]) {
    const view = { colorScheme, viewport: { width, height: 700 } };

    test(`the dashboard at ${width} px, ${colorScheme}`, async () => {
      const fixture = await browser.fixture('failing');
      const page = await browser.open(fixture, '', '#token=good', await browser.context(view));
      const { opening } = fixture.dashboard.call('open.begin', { target: 'kith://a' });
      fixture.dashboard.stage(opening, { stage: 'asking', app: fixture.dashboard.apps[2], invited: true });
      const [space] = fixture.dashboard.spaces;
      for (const [at, seen] of [['/', space.name], ['/people', 'Chidi Okonkwo'], ['/activity', 'How people are found'], ['/settings', 'Your name'],
        [`/space/${space.space}`, 'Kept here'], [`/app/${fixture.dashboard.apps[2].app}`, 'What it takes here'], [`/open/${opening}`, 'Who made it'], ['/nowhere', 'There is no such page']]) {
        await page.evaluate((at) => { location.hash = at; }, at);
        await page.getByText(seen).first().waitFor();
        assert.deepEqual(await wrong(page), [], at);
        assert.equal(await tooWide(page), false, at);
      }
      fixture.dashboard.ask({ text: 'The wall, as it is today.', file: { hash: 'ab', name: 'wall.svg', size: 48_000, type: 'image/svg+xml', folder: false, url: '' } });
      await page.getByText('Board asks you something.').waitFor();
      assert.deepEqual(await wrong(page), [], 'an app asks');
      await page.getByRole('link', { name: 'Look' }).click();
      await page.getByRole('radio', { name: 'Book club' }).check();
      assert.deepEqual(await wrong(page), [], 'what an app asks');
      assert.equal(await tooWide(page), false, 'what an app asks');
      fixture.dashboard.askFiles = { more: true, files: ['a.png', `${'b'.repeat(200)}.png`].map((name, at) => ({ space: space.space, file: { hash: String(at), name, size: 7_000, type: 'image/png', folder: false, url: '' } })) };
      fixture.dashboard.asks = [];
      fixture.dashboard.ask({ import: { extensions: ['.png'], types: [], multiple: true } });
      await page.getByRole('checkbox', { name: 'a.png' }).check();
      assert.deepEqual(await wrong(page), [], 'files for an app');
      assert.equal(await tooWide(page), false, 'files for an app');
      await page.evaluate((at) => { location.hash = at; }, `/space/${space.space}`);
      await page.getByRole('button', { name: 'Invite' }).click();
      await page.getByRole('img', { name: /QR/ }).waitFor();
      assert.deepEqual(await wrong(page), [], 'invite');
    });

    test(`Chat at ${width} px, ${colorScheme}`, async () => {
      const fixture = await browser.fixture('full');
      const { files } = fixture.room;
      const error = { code: /** @type {const} */ ('disk_full'), what: 'It can’t be stored.', why: '', todo: 'Make room.' };
      for (const [name, type, state] of /** @type {const} */ ([['a.png', 'image/png', {}], ['film.mp4', 'video/mp4', { stage: 'fetching', bytes: 2 }],
        ['b.png', 'image/png', { stage: 'waiting', bytes: 0 }], ['tone.wav', 'audio/wav', {}], ['c.zip', '', { stage: 'failed', error }], ['d.pdf', '', {}]])) {
        const file = files.add(name, type, name === 'a.png' ? png(60, 40) : name, state);
        for (const who of ['ada', 'ben']) fixture.room.write(who, { json: { text: '' } }, 'app', Date.now(), [file]);
      }
      const page = await browser.open(fixture, 'ada', '', await browser.context(view));
      await page.getByRole('link', { name: 'Save d.pdf' }).last().waitFor();
      await page.locator('#choose').setInputFiles([{ name: 'next.png', mimeType: 'image/png', buffer: png(60, 40) }]);
      assert.deepEqual(await wrong(page), []);
      await page.locator('#people').click();
      await page.getByLabel('Your name here').waitFor();
      assert.deepEqual(await wrong(page), [], 'people');
      assert.equal(await tooWide(page), false);
    });

    test(`Drop at ${width} px, ${colorScheme}`, async () => {
      const fixture = await browser.fixture('full');
      const page = await browser.open(fixture, 'drop-ada', '', await browser.context(view));
      await page.locator('article').first().waitFor();
      assert.deepEqual(await wrong(page), []);
      assert.equal(await tooWide(page), false);
      await page.getByRole('button', { name: 'Files in Recordings' }).click();
      await page.getByText('track 001').waitFor();
      assert.deepEqual(await wrong(page), [], 'a folder');
      await page.locator('.presence').click();
      await page.getByRole('dialog').getByRole('img', { name: /QR/ }).waitFor();
      assert.deepEqual(await wrong(page), [], 'the link and the people');
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Look at Harbour at dawn.png' }).click();
      await page.getByRole('dialog').getByRole('img').waitFor();
      assert.deepEqual(await wrong(page), [], 'a picture');
      assert.equal(await tooWide(page), false);
    });

    test(`the loading page at ${width} px, ${colorScheme}`, async () => {
      const fixture = await browser.fixture('few');
      const page = await browser.open(fixture, 'loading', '', await browser.context(view));
      await page.getByText('Dialling 192.0.2.44').waitFor();
      await page.getByText(/ of 1.5 MB/).waitFor();
      assert.deepEqual(await wrong(page), []);
      assert.equal(await tooWide(page), false);
    });
  }
}

test('the dashboard’s scripts fit their budget', () => {
  const web = join(ROOT, 'web');
  const files = readdirSync(web, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.js')).map((name) => join(web, name));
  const size = [...files, ...['kith', 'blobs', 'connection'].map((name) => join(ROOT, `sdk/${name}.js`))].reduce((sum, file) => sum + gzipSync(readFileSync(file)).length, 0);
  assert.ok(size <= BUDGET, `${size} bytes`);
});

test('bundled apps have the dashboard’s tokens', () => {
  const tokens = readFileSync(join(ROOT, 'web/tokens.css'), 'utf8');
  for (const app of readdirSync(join(ROOT, 'apps'))) assert.equal(readFileSync(join(ROOT, 'apps', app, 'tokens.css'), 'utf8'), tokens, app);
});
