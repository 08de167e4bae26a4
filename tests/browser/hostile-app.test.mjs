// A hostile app, alone on its origin, tries to tell someone what it knows. Each way is tried twice: from
// a plain web server, where it must work, else the test proves nothing; and from a real node, where
// nothing may arrive, not even a connection or a look-up of a name.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { launch } from './attack/browser.mjs';
import { openCanary } from './attack/canary.mjs';
import { APP } from './attack/gateway.mjs';
import { startNode } from './attack/node.mjs';
import { servePlain } from './attack/plain.mjs';
import { within } from './lib/within.mjs';

/** How long an attack may take where nothing stops it, in ms. */
const PATIENCE = 5_000;
/** Attacks whose look-ups the browser's log must tell of: else it would prove nothing. */
const LOOK_UPS = ['fetch', 'image', 'navigate', 'dns-prefetch', 'preconnect'];
/** How long one try may take in all, in ms: a loaded machine takes ten times its usual second. */
const LONGEST = 60_000;

/** @type {Awaited<ReturnType<typeof startNode>>} */ let node;
/** @type {Awaited<ReturnType<typeof servePlain>>} */ let plain;
/** @type {import('playwright-core').BrowserContext} */ let browser;
/** @type {string} */ let folder;
/** The person's own tab, which stays open. @type {import('playwright-core').Page} */ let first;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kith-attack-'));
  [node, plain] = await Promise.all([startNode(1), servePlain(APP)]);
  browser = await launch(join(folder, 'profile'), [`--log-net-log=${join(folder, 'net.json')}`]);
  first = await browser.newPage();
  await first.goto(await node.url(0));
});

after(async () => {
  await browser.close();
  await Promise.all([node.stop(), plain.stop(), rm(folder, { recursive: true })]);
});

/**
 * Opens the hostile page and lets it attack. A page that is refused throws, or its browser does.
 * @param {import('playwright-core').Page} page @param {string} url @param {string} name
 * @param {Awaited<ReturnType<typeof openCanary>>} canary
 */
async function attack(page, url, name, canary) {
  await page.goto(url);
  assert.equal(await page.title(), 'hostile');
  const { port, host, url: target } = canary;
  const attempt = page.evaluate(
    ([which, where]) => Promise.resolve(/** @type {any} */ (window).attacks[which](where)).then(() => 'went on', (error) => String(error)),
    /** @type {const} */ ([name, { port, host, url: target }]),
  );
  // A page that left is gone, with its answer.
  return attempt.catch(() => 'left');
}

/** @param {number} time @param {string} [value] */
const later = (time, value) => new Promise((done) => { setTimeout(done, time, value).unref(); });

// One after another: browsers hold back some of it, speculation for one, in tabs that are not in front.
test('no way out of an app’s page leads anywhere, though each does without the policy', { timeout: 30 * 60_000 }, async (t) => {
  const names = (process.env.ATTACKS?.split(',')) ?? await attacks();
  /** @type {Map<string, Awaited<ReturnType<typeof openCanary>>>} */ const canaries = new Map();
  for (const name of names) {
    await t.test(name, async () => {
      const stolen = await openCanary(`guarded-${name}`);
      canaries.set(name, stolen);
      await within(LONGEST, name, tryBoth(name, stolen));
    });
  }
  await t.test('nothing arrived later, and no name was looked up', async () => {
    await browser.close();
    for (const [name, canary] of canaries) assert.deepEqual(canary.touches, [], name);
    await Promise.all([...canaries.values()].map((canary) => canary.close()));
    const lookedUp = await lookUps(join(folder, 'net.json'));
    for (const name of names.filter((one) => LOOK_UPS.includes(one))) {
      assert.ok(lookedUp.some((host) => host.startsWith(`control-${name}.`)), `the log tells of ${name}`);
    }
    assert.deepEqual(lookedUp.filter((host) => host.startsWith('guarded-')), []);
  });
});

/** The names of all attacks. */
async function attacks() {
  const page = await browser.newPage();
  await page.goto(plain.origin());
  const names = await page.evaluate(() => Object.keys(/** @type {any} */ (window).attacks));
  await page.close();
  assert.ok(names.length > 50);
  return names;
}

/**
 * From the node, and at the same time from a plain server: the second shows how long to wait.
 * @param {string} name @param {Awaited<ReturnType<typeof openCanary>>} stolen
 */
async function tryBoth(name, stolen) {
  const control = await openCanary(`control-${name}`);
  const [guarded, open] = await Promise.all([browser.newPage(), browser.newPage()]);
  try {
    const guardedDone = attack(guarded, node.origins[0] ?? '', name, stolen);
    const said = attack(open, plain.origin(), name, control);
    const worked = await Promise.race([control.touched, said.then((words) => later(PATIENCE, `no: ${words}`)), later(2 * PATIENCE, 'no')]);
    const isLookUp = name === 'dns-prefetch'; // Seen by the browser's log only, at the end.
    assert.ok(isLookUp || !worked.startsWith('no'), `it does not work without the policy: ${worked}`);
    await Promise.race([guardedDone, later(PATIENCE)]);
    assert.deepEqual(stolen.touches, []);
  } finally {
    // A page that hangs is closed with its browser. What the attack opened would go on working, too.
    const others = browser.pages().filter((page) => page !== first);
    await Promise.race([Promise.all([...others.map((page) => page.close()), control.close()]), later(PATIENCE)]);
  }
}

/** Hosts that the browser resolved, by its own log. @param {string} file */
async function lookUps(file) {
  const log = JSON.parse(await readFile(file, 'utf8'));
  const type = log.constants.logEventTypes.HOST_RESOLVER_MANAGER_REQUEST;
  const hosts = log.events
    .filter((/** @type {any} */ event) => event.type === type && event.params?.host)
    .map((/** @type {any} */ event) => event.params.host.replace(/^\w+:\/\//, '').replace(/:\d+$/, ''));
  return /** @type {string[]} */ ([...new Set(hosts)]);
}
