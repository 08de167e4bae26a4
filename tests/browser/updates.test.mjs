// An app updated while its page is open on three nodes, one of them away; and what must not happen.
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { launch } from './lib/browser.mjs';
import { KithNode } from './lib/node.mjs';

/** @typedef {{ node: KithNode, page: import('playwright-core').Page, context: import('playwright-core').BrowserContext }} Person */

const folder = mkdtempSync(join(tmpdir(), 'kith-test-app-'));
/** @type {import('playwright-core').Browser} */ let browser;
/** @type {KithNode[]} */ const nodes = [];
/** @type {Person} */ let ada;
/** @type {Person} */ let ben;
/** @type {Person} */ let cleo;
/** @type {string} */ let app;

/** Writes the app's next version. Its page loads one of its files late. @param {string} version @param {string} [asks] */
function write(version, asks = '') {
  writeFileSync(join(folder, 'manifest.toml'), `name = "Wall"\n[kith]\npermissions = [${asks}]\n`);
  writeFileSync(join(folder, 'late.js'), `export const version = '${version}';\n`);
  writeFileSync(join(folder, 'index.html'), `<!doctype html><title>Wall</title><h1>Version ${version}</h1><ul></ul>
    <button>Write</button><input aria-label="Draft">
    <script type="module">
      import { space } from '/.kith/kith.js';
      document.querySelector('button').onclick = () => space.append('from ${version}');
      localStorage.first ??= '${version}';
      for await (const { body } of space.watch()) document.querySelector('ul').append(Object.assign(document.createElement('li'), { textContent: body }));
    </script>`);
}

/** @param {string} name */
async function start(name) {
  const node = await KithNode.create(name);
  nodes.push(node);
  return node.start();
}

/** @param {KithNode} node @param {string} target @returns {Promise<Person>} */
async function open(node, target) {
  const [{ url }] = await node.cli('open', target, '--yes');
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(url);
  await page.getByRole('heading', { name: 'Version one' }).waitFor();
  return { node, page, context };
}

/** Asks until it holds; the runner's time-out is the only bound. @param {() => Promise<boolean>} holds */
async function eventually(holds) {
  while (!(await holds())) await new Promise((done) => setTimeout(done, 100));
}

/** The app, as the person's kith lists it. @param {KithNode} node @returns {Promise<any>} */
const wall = async (node) => (await node.cli('apps')).find((one) => one.app === app);
/** What a page gets that asks now for a file that it did not need before. @param {Person} person */
const late = ({ page }) => page.evaluate(async () => (await import(`${location.origin}/late.js?${Math.random()}`)).version);
const bar = (/** @type {Person} */ { page }) => page.getByText('A new version of this app is installed.');
/** Reloads every page of the space, by kith's own bar. @param {Person} person */
const reload = ({ page }) => page.getByRole('button', { name: 'Reload' }).click();

before(async () => {
  browser = await launch();
  const [a, b, c] = await Promise.all([start('ada'), start('ben'), start('cleo')]);
  write('one');
  [{ app }] = await a.cli('publish', folder, '--key', 'wall');
  ada = await open(a, 'Wall');
  const [{ link }] = await a.cli('invite', 'Wall');
  ben = await open(b, link);
  cleo = await open(c, link);
  await ben.page.getByRole('button', { name: 'Write' }).click();
  for (const { page } of [ada, cleo]) await page.getByText('from one').waitFor();
});

after(async () => {
  await browser?.close();
  await Promise.all(nodes.map((node) => node.remove()));
  rmSync(folder, { recursive: true, force: true });
});

test('the publisher sees the new version at once, by a word from kith and not by surprise', async () => {
  await cleo.node.kill();
  await ada.page.getByLabel('Draft').fill('half a thought');
  write('two', '"location"');
  await ada.node.cli('publish', folder, '--key', 'wall');
  await bar(ada).waitFor();
  assert.equal(await ada.page.getByLabel('Draft').inputValue(), 'half a thought');
  assert.equal(await late(ada), 'one', 'no page gets files of two versions');
  assert.equal((await wall(ada.node)).behind, 1);
  // A second tab is of the same version, and both change together.
  const second = await ada.context.newPage();
  await second.goto(ada.page.url());
  await second.getByRole('heading', { name: 'Version one' }).waitFor();
  await second.getByText('from one').waitFor();
  await reload(ada);
  for (const page of [ada.page, second]) await page.getByRole('heading', { name: 'Version two' }).waitFor();
  assert.equal(await late(ada), 'two');
  await second.close();
});

test('who is online is asked, and keeps what they have until they say yes', async () => {
  await eventually(async () => (await wall(ben.node)).update?.version === 2);
  assert.deepEqual((await wall(ben.node)).update, { version: 2, name: 'Wall', size: (await wall(ada.node)).size, adds: ['know where you are'], removes: [] });
  await ben.page.reload();
  await ben.page.getByRole('heading', { name: 'Version one' }).waitFor();
  await ben.node.cli('apps', 'update', 'Wall');
  await bar(ben).waitFor();
  assert.equal(await late(ben), 'one');
  // A reload by hand of the only page is one, too.
  await ben.page.reload();
  await ben.page.getByRole('heading', { name: 'Version two' }).waitFor();
  await ben.page.getByText('from one').waitFor();
  assert.equal(await ben.page.evaluate(() => localStorage.first), 'one', 'what the pages keep stays');
});

test('who was away learns it from whoever has it, while its page is open', async () => {
  await ada.node.kill();
  await cleo.node.start();
  await eventually(async () => (await wall(cleo.node)).update?.version === 2);
  await cleo.node.cli('apps', 'update', 'Wall');
  await bar(cleo).waitFor();
  await reload(cleo);
  await cleo.page.getByRole('heading', { name: 'Version two' }).waitFor();
  await cleo.page.getByText('from one').waitFor();
});

test('a key that is lost makes another app, and the first one stays as it is', async () => {
  await ada.node.start();
  const file = join(folder, '.key');
  await ada.node.cli('key', 'export', 'wall', '-o', file);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.match(readFileSync(file, 'utf8'), /^kith-key:/);
  write('three');
  // Ben has no key: what he publishes is no version of it, whatever it calls itself.
  const [other] = await ben.node.cli('publish', folder, '--key', 'wall');
  assert.notEqual(other.app, app);
  assert.equal(other.version, 1);
  assert.equal((await wall(ben.node)).version, 2);
  assert.equal((await wall(cleo.node)).update, null);
  // No key is ever put in the place of another.
  await assert.rejects(ben.node.cli('key', 'import', 'wall', file), /already/);
  // With the key Ben can: it was only on one computer, and now it is on two.
  await ben.node.cli('key', 'import', 'the-real-one', file);
  const [next] = await ben.node.cli('publish', folder, '--key', 'the-real-one');
  assert.deepEqual([next.app, next.version], [app, 3]);
  for (const { node } of [ada, cleo]) await eventually(async () => (await wall(node)).update?.version === 3);
  chmodSync(file, 0o600);
});

test('an app that is removed takes with it what its pages kept', async () => {
  const url = cleo.page.url();
  assert.equal(await cleo.page.evaluate(() => localStorage.first), 'one');
  // Nobody is there to be told until kith was started anew.
  await cleo.page.close();
  await cleo.node.cli('apps', 'remove', 'Wall', '--yes');
  assert.equal(await wall(cleo.node), undefined);
  await cleo.node.kill();
  await cleo.node.start();
  const page = await cleo.context.newPage();
  const answer = await page.goto(url);
  assert.equal(answer?.status(), 410);
  await eventually(() => page.evaluate(() => localStorage.length === 0));
});
