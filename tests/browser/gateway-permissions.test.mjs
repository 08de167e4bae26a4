// What an app asks for and is granted reaches its pages, and nothing else of the device does.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { openBrowser } from './lib/browser.mjs';
import { KithNode } from './lib/node.mjs';

/** @type {KithNode} */ let node;
/** @type {Awaited<ReturnType<typeof openBrowser>>} */ let browser;
/** @type {string} */ let folder;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kith-test-apps-'));
  node = await KithNode.create('permissions');
  await node.start();
  // A camera, a microphone and a place, so that only the policy can be why there is none.
  browser = await openBrowser({
    permissions: ['camera', 'microphone', 'geolocation'], geolocation: { latitude: 52, longitude: 13 },
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--use-fake-device-for-media-stream'],
  });
});

after(async () => {
  await browser?.close();
  await node?.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** Publishes an app with this manifest, and returns its page. @param {string} name @param {string} manifest */
async function page(name, manifest) {
  const bundle = join(folder, `${name}.d`);
  mkdirSync(bundle);
  writeFileSync(join(bundle, 'index.html'), `<!doctype html><title>${name}</title>`);
  writeFileSync(join(bundle, 'manifest.toml'), manifest);
  const [{ link }] = await node.cli('publish', bundle);
  const [{ url }] = await node.cli('open', link, '--yes');
  const opened = await browser.context.newPage();
  await opened.goto(url);
  assert.equal(await opened.title(), name);
  return opened;
}

/** What a page gets when it asks the browser for each. @param {import('playwright-core').Page} page */
const had = (page) => page.evaluate(async () => {
  const stream = (/** @type {MediaStreamConstraints} */ what) => navigator.mediaDevices.getUserMedia(what).then(() => true, (error) => error.name);
  return {
    camera: await stream({ video: true }),
    microphone: await stream({ audio: true }),
    location: await new Promise((done) => { navigator.geolocation.getCurrentPosition(() => done(true), ({ code }) => done(code)); }),
  };
});
/** `GeolocationPositionError.PERMISSION_DENIED` */
const DENIED = 1;

test('an app that asked for nothing gets nothing', async () => {
  const plain = await page('Plain', 'name = "Plain"');
  assert.deepEqual(await had(plain), { camera: 'NotAllowedError', microphone: 'NotAllowedError', location: DENIED });
});

test('an app gets what it was granted, and not what it was not', async () => {
  const camera = await page('Camera', 'name = "Camera"\n[kith]\ndescription = "Shows you yourself."\npermissions = ["camera"]');
  assert.deepEqual(await had(camera), { camera: true, microphone: 'NotAllowedError', location: DENIED });
  const rest = await page('Rest', 'name = "Rest"\n[kith]\npermissions = ["microphone", "location"]');
  assert.deepEqual(await had(rest), { camera: 'NotAllowedError', microphone: true, location: true });
});

test('who opens an app is told its name, what it is, who signed it and what it asks', async () => {
  const [{ link }] = await node.cli('publish', join(folder, 'Camera.d'));
  const other = await KithNode.create('asked');
  try {
    await other.start();
    const dashboard = await browser.context.newPage();
    await dashboard.goto((await other.ask('page.url')).url);
    const field = dashboard.getByLabel('A link to an app or a space');
    await field.fill(link);
    await field.press('Enter');
    await dashboard.getByRole('heading', { name: 'Open Camera?' }).waitFor();
    await dashboard.getByText('Shows you yourself.').waitFor();
    await dashboard.getByText('It wants to use the camera.').waitFor();
    await dashboard.getByText('Signed by the holder of this key').waitFor();
    assert.equal(await dashboard.getByText('It wants to use the microphone.').count(), 0);
  } finally {
    await other.remove();
  }
});
