// The main job: an app opened from a link on two nodes, in a real browser, and nothing lost.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { openBrowser } from './lib/browser.mjs';
import { KithNode } from './lib/node.mjs';

/** How often A is killed while it writes. */
const KILLS = 100;

/** @type {KithNode} */ let a;
/** @type {KithNode} */ let b;
/** @type {KithNode | undefined} */ let c;
/** @type {Awaited<ReturnType<typeof openBrowser>>} */ let browser;
/** @type {import('playwright-core').Page} */ let pageA;
/** @type {import('playwright-core').Page} */ let pageB;
/** @type {string} */ let link;
/** @type {string} */ let space;

before(async () => {
  [a, b] = await Promise.all([KithNode.create('a'), KithNode.create('b')]);
  await Promise.all([a.start(), b.start()]);
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  await Promise.all([a, b, c].map((node) => node?.remove()));
});

/** The page's entries, read by its own API. @param {import('playwright-core').Page} page */
function entries(page) {
  return page.evaluate(async () => {
    const { space } = await import(`${location.origin}/.kith/kith.js`);
    const all = [];
    for (let after = 0; ;) {
      const got = await space.read({ after, limit: 1000 });
      if (got.length === 0) return all;
      all.push(...got.map((/** @type {any} */ e) => ({ author: e.author, index: e.index, body: e.body })));
      after = got.at(-1).serial;
    }
  });
}

/** Entries in an order that is the same everywhere. @param {{ author: string, index: number }[]} list */
function sorted(list) {
  return [...list].sort((x, y) => x.author.localeCompare(y.author) || x.index - y.index);
}

/** Asks until it holds; the runner's time-out is the only bound. @param {() => Promise<boolean>} holds */
async function eventually(holds) {
  while (!(await holds())) await new Promise((done) => setTimeout(done, 50));
}

test('one link opens Chat on both nodes', async () => {
  const [created] = await a.cli('open', 'chat', '--yes');
  pageA = await browser.context.newPage();
  await pageA.goto(created.url);
  space = created.space;
  [{ link }] = await a.cli('invite', space);
  const [opened] = await b.cli('open', link, '--yes');
  assert.equal(opened.space, space);
  pageB = await browser.context.newPage();
  await pageB.goto(opened.url);
  for (const page of [pageA, pageB]) await page.getByRole('textbox', { name: /message/i }).waitFor();
});

test('messages and typing cross both ways', async () => {
  for (const [from, to, text] of /** @type {const} */ ([[pageA, pageB, 'Hello from A'], [pageB, pageA, 'Hello from B']])) {
    const box = from.getByRole('textbox', { name: /message/i });
    await box.pressSequentially(text);
    await to.getByText(/is typing/).waitFor();
    await box.press('Enter');
    await to.getByText(text).first().waitFor();
  }
});

test(`A is killed ${KILLS} times while it writes, and nothing acknowledged is lost`, { timeout: 20 * 60_000 }, async () => {
  /** @type {string[]} */ const acknowledged = [];
  await pageA.exposeFunction('acknowledge', (/** @type {string} */ text) => { acknowledged.push(text); });
  await pageA.evaluate(async () => {
    const { space } = await import(`${location.origin}/.kith/kith.js`);
    Object.assign(window, { writing: true });
    let n = 0;
    Object.assign(window, {
      written: (async () => {
        while (/** @type {any} */ (window).writing) {
          const text = `kill ${n++}`;
          try {
            await space.append({ text });
            await /** @type {any} */ (window).acknowledge(text);
          } catch {
            await new Promise((done) => setTimeout(done, 20));
          }
        }
      })(),
    });
  });
  for (let kill = 0; kill < KILLS; kill += 1) {
    const before = acknowledged.length;
    await eventually(async () => acknowledged.length > before);
    await a.kill();
    await a.start();
  }
  await pageA.evaluate(async () => {
    Object.assign(window, { writing: false });
    await /** @type {any} */ (window).written;
  });
  assert.ok(acknowledged.length >= KILLS);

  const held = await entries(pageA);
  const texts = new Set(held.map((entry) => entry.body?.text));
  assert.deepEqual(acknowledged.filter((text) => !texts.has(text)), []);
  await eventually(async () => (await entries(pageB)).length === held.length);
  assert.deepEqual(sorted(await entries(pageB)), sorted(held));
  const [status] = (await a.cli('apps')).filter((app) => app.name === 'Chat');
  assert.equal(status.spaces, 1);
  for (const page of [pageA, pageB]) {
    const members = await page.evaluate(async () => (await import(`${location.origin}/.kith/kith.js`)).space.members());
    assert.deepEqual(members.filter((/** @type {any} */ member) => member.forked), []);
    assert.equal(members.length, 2);
  }
});

test('a third node that joins later, A being off, has everything through B alone', async () => {
  const held = await entries(pageB);
  await a.kill();
  c = await KithNode.create('c');
  await c.start();
  const [{ link: fromB }] = await b.cli('invite', space);
  const [opened] = await c.cli('open', fromB, '--yes');
  const page = await browser.context.newPage();
  await page.goto(opened.url);
  await page.getByRole('textbox', { name: /message/i }).waitFor();
  await eventually(async () => (await entries(page)).length === held.length);
  assert.deepEqual(sorted(await entries(page)), sorted(held));
});
