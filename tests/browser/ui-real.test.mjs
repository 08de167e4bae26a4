// The dashboard, Chat and the loading page in front of real nodes.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { openBrowser } from './lib/browser.mjs';
import { KithNode } from './lib/node.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** @type {KithNode} */ let a;
/** @type {KithNode} */ let b;
/** @type {Awaited<ReturnType<typeof openBrowser>>} */ let browser;
/** @type {Page} */ let ada;
/** @type {Page} */ let ben;
/** What went wrong in pages. @type {string[]} */ const faults = [];

before(async () => {
  [a, b] = await Promise.all([KithNode.create('a'), KithNode.create('b')]);
  await Promise.all([a.start(), b.start()]);
  browser = await openBrowser();
  browser.context.on('page', (page) => {
    page.on('pageerror', (error) => faults.push(error.stack ?? String(error)));
    page.on('console', (message) => { if (message.type() === 'error' && !/WebSocket|Failed to load/.test(message.text())) faults.push(message.text()); });
  });
});

after(async () => {
  await browser?.close();
  await Promise.all([a, b].map((node) => node?.remove()));
});

/** @param {KithNode} node */
async function dashboard(node) {
  const page = await browser.context.newPage();
  await page.goto((await node.ask('page.url')).url);
  await page.getByRole('heading', { name: 'Chat', exact: true }).waitFor();
  return page;
}

/** @param {Page} page @param {string} name */
const button = (page, name) => page.getByRole('button', { name, exact: true });

test('kith’s dashboard makes a space and a link', async () => {
  ada = await dashboard(a);
  await ada.getByRole('link', { name: 'Settings' }).click();
  await ada.getByLabel('Your name').fill('Ada');
  await button(ada, 'Save').click();
  await ada.getByText('Saved.').waitFor();
  await ada.getByRole('link', { name: 'Home', exact: true }).click();
  await button(ada, 'New space of Chat').click();
  await ada.getByLabel('What you call it').fill('Island');
  const [room] = await Promise.all([browser.context.waitForEvent('page'), button(ada, 'Make and open').click()]);
  await room.getByRole('heading', { name: 'Island' }).waitFor();
  await room.getByText('Only you so far').waitFor();
  await room.close();
});

test('another one’s opens it after saying what it is', async () => {
  await button(ada, 'Invite to Island').click();
  await ada.getByRole('img', { name: 'The link as a QR code' }).waitFor();
  const link = await ada.getByLabel('Link', { exact: true }).inputValue();
  await button(ada, 'Done').click();

  ben = await dashboard(b);
  await ben.getByLabel('A link to an app or a space').fill(link);
  await button(ben, 'Open').click();
  await ben.getByRole('heading', { name: 'Open Chat?' }).waitFor();
  await ben.getByText('Came with kith').first().waitFor();
  await ben.getByRole('radio', { name: /The space you are invited to/, checked: true }).waitFor();
  await button(ben, 'Open Chat').click();
  await ben.getByRole('textbox', { name: 'Message' }).fill('Hello');
  await ben.keyboard.press('Enter');
  await ben.getByText('Ada is online').waitFor();
});

test('each sees the other, and how they are connected', async () => {
  await ada.bringToFront();
  await ada.getByText(/ online · changed/).waitFor();
  await ada.getByRole('link', { name: 'People' }).click();
  await ada.locator('.peer').first().click();
  await ada.getByRole('dialog').getByText('Connected for').waitFor();
  await button(ada, 'Block').click();
  await ada.getByRole('dialog').getByRole('button', { name: /^Block / }).click();
  await ada.getByRole('dialog').getByText('Blocked by you').waitFor();
  await ada.getByRole('dialog').getByRole('button', { name: /^Unblock / }).click();
  await button(ada, 'Block').waitFor();
  await button(ada, 'Done').click();
  await ada.getByRole('link', { name: 'Activity' }).click();
  await ada.getByText('How people are found').waitFor();
});

test('a dashboard goes on after its node was killed and started again', async () => {
  await a.kill();
  await ada.getByText('What you see is from before.').waitFor();
  await a.start();
  await ada.getByText('What you see is from before.').waitFor({ state: 'detached' });
  await ada.getByRole('link', { name: 'Home', exact: true }).click();
  await ada.getByText('Island').first().waitFor();
});

test('leaving a space takes it away, and its page too', async () => {
  const [room] = await Promise.all([browser.context.waitForEvent('page'), button(ada, 'Open Island').click()]);
  await room.getByText('Hello', { exact: true }).first().waitFor();
  await ada.bringToFront();
  await ada.getByText('Island').first().click();
  await button(ada, 'Leave').click();
  await button(ada, 'Leave Island').click();
  await ada.getByText('A space is a place for a few people').waitFor();
  await room.reload();
  assert.match(await room.locator('h1').innerText(), /removed from kith|no page at this address/);
});

test('nothing was refused to the pages by their policy', () => {
  assert.deepEqual(faults, []);
});
