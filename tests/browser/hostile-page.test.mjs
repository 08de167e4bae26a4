// Hostile pages try to reach the dashboard, somebody else's space, or the node behind them: an app on its
// own origin, a website, a page of another program on this machine, and one on the dashboard's own host
// at another port. Each way is tried on a careless server as well, where it must work.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createRelay, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { launch } from './attack/browser.mjs';
import { APP } from './attack/gateway.mjs';
import { startNode } from './attack/node.mjs';
import { servePlain } from './attack/plain.mjs';
import { within } from './lib/within.mjs';

/** How long an attack may take, in ms. */
const PATIENCE = 5_000;
/** How long one try may take in all, from five pages, in ms: a loaded machine takes ten times its usual second. */
const LONGEST = 60_000;

/** @type {Awaited<ReturnType<typeof startNode>>} */ let node;
/** @type {Awaited<ReturnType<typeof servePlain>>} */ let site;
/** @type {Awaited<ReturnType<typeof servePlain>>} */ let careless;
/** @type {import('playwright-core').BrowserContext} */ let browser;
/** @type {string} */ let folder;
/** The origins of the attacker's space and of the victim's. @type {string} */ let own;
/** @type {string} */ let victim;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kith-attack-'));
  [node, site, careless] = await Promise.all([startNode(2), servePlain(APP), servePlain(APP)]);
  // The attacker is let know the victim's label here, which nobody can guess.
  [own = '', victim = ''] = node.origins;
  browser = await launch(join(folder, 'profile'));
  // The browser is the person's: it has been in both spaces.
  for (const index of [0, 1]) {
    const page = await browser.newPage();
    await page.goto(await node.url(index));
    await page.evaluate((text) => { localStorage.setItem('secret', text); document.cookie = `script=${text}; path=/`; }, `of ${index}`);
    await page.close();
  }
});

after(async () => {
  await browser.close();
  await Promise.all([node.stop(), site.stop(), careless.stop()]);
  await rm(folder, { recursive: true });
});

/** @param {number} time @param {string} value @returns {Promise<string>} */
const later = (time, value) => new Promise((done) => { setTimeout(done, time, value).unref(); });

/**
 * What the page at `url` gets of `victim`: nothing, where it gets nothing.
 * @param {string} url @param {string} name @param {string} victim
 */
async function reach(url, name, victim) {
  const page = await browser.newPage();
  try {
    await page.goto(url);
    assert.equal(await page.title(), 'hostile');
    const attempt = page.evaluate(
      ([which, where]) => Promise.resolve(/** @type {any} */ (window).reaches[which](where)).catch(() => 'nothing'),
      /** @type {const} */ ([name, victim]),
    );
    const got = await Promise.race([attempt.catch(() => 'nothing'), later(PATIENCE, 'nothing')]);
    if (got !== undefined && got !== null) return got;
    return await framed(page, victim, Date.now() + PATIENCE / 2);
  } finally {
    // A page that hangs is closed with its browser.
    await Promise.race([page.close(), later(PATIENCE, '')]);
  }
}

/** Whether a frame shows the victim before `until`. @param {import('playwright-core').Page} page @param {string} victim @param {number} until */
async function framed(page, victim, until) {
  while (Date.now() < until) {
    for (const frame of page.frames()) {
      const title = frame.url().startsWith(victim) && await Promise.race([frame.title().catch(() => ''), later(until - Date.now(), '')]);
      if (title) return 'shown in a frame';
    }
    await later(50, '');
  }
  return 'nothing';
}

/** @type {() => [string, string][]} */
const attackers = () => [
  ['an app of its own', own],
  ['a website', site.origin('evil.localhost')],
  ['a page by address', site.origin('127.0.0.1')],
  ['a page on the dashboard’s host', site.origin('localhost')],
];

for (const whose of ['the dashboard', 'another space']) {
  test(`hostile pages get nothing of ${whose}`, { timeout: 20 * 60_000 }, async (t) => {
    const target = whose === 'another space' ? victim : node.dashboard;
    const page = await browser.newPage();
    await page.goto(site.origin());
    const names = await page.evaluate(() => Object.keys(/** @type {any} */ (window).reaches));
    await page.close();
    for (const name of names) {
      await t.test(name, async () => {
        const control = reach(site.origin('evil.localhost'), name, careless.origin('victim.localhost'));
        const got = Promise.all(attackers().map(async ([who, url]) => [who, await reach(url, name, target)]));
        const both = await within(LONGEST, name, Promise.all([control, got]));
        assert.notEqual(both[0], 'nothing', 'it works on a careless server');
        assert.deepEqual(both[1], attackers().map(([who]) => [who, 'nothing']));
      });
    }
  });
}

test('an app sees no storage and no cookie of another, nor its own permission', async () => {
  const page = await browser.newPage();
  await page.goto(own);
  const seen = await page.evaluate(() => [localStorage.getItem('secret'), document.cookie]);
  assert.deepEqual(seen, ['of 0', 'script=of 0']);
  await page.close();
});

test('a page that rebinds its name to this machine gets nothing', async () => {
  // What rebinding leads to: the browser takes the node for the page's own server. Here a relay on
  // the page's address is switched from the page's server to the node's.
  let target = site.port;
  const relay = createRelay((near) => {
    const far = connect(target, '127.0.0.1');
    near.pipe(far).pipe(near);
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
  });
  await new Promise((done) => { relay.listen(0, '127.0.0.1', () => done(undefined)); });
  const { port } = /** @type {import('node:net').AddressInfo} */ (relay.address());
  const page = await browser.newPage();
  try {
    await page.goto(`http://rebound.localhost:${port}/`);
    const ask = () => page.evaluate(async () => {
      const { status } = await fetch(`/?${Math.random()}`, { headers: { connection: 'close' } }).catch(() => ({ status: 0 }));
      const socket = await new Promise((done) => {
        const opened = new WebSocket(`${location.origin.replace('http', 'ws')}/.kith/api`);
        opened.onopen = () => done('open');
        opened.onerror = () => done('refused');
      });
      return { status, socket };
    });
    assert.deepEqual(await ask(), { status: 200, socket: 'open' }, 'it works on a careless server');
    target = node.port;
    // The browser goes on using connections that it has: a rebinding page lets them end.
    site.endConnections();
    assert.deepEqual(await ask(), { status: 421, socket: 'refused' });
  } finally {
    await page.close();
    relay.close();
  }
});
