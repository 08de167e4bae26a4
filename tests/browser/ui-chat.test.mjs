// Chat, by what a person sees and does.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import { faults, useBrowser } from './fixture/open.mjs';
import { KithError } from './fixture/error.mjs';

const browser = useBrowser();

afterEach(() => assert.deepEqual(faults.splice(0), []));

/** @param {import('playwright-core').Page} page */
const box = (page) => page.getByRole('textbox', { name: 'Message' });

/** Waits until the room is drawn. @param {import('playwright-core').Page} page */
const ready = (page) => page.locator('#thread[aria-busy=false]').waitFor();

test('messages, typing and names cross between two people', async () => {
  const fixture = await browser.fixture('empty');
  const [ada, ben] = await Promise.all(['ada', 'ben'].map((who) => browser.open(fixture, who)));
  await ada.getByText('ben is online').waitFor();
  await box(ben).pressSequentially('Is anybody');
  await ada.getByText('ben is typing').waitFor();
  await box(ben).press('Enter');
  await ada.getByText('Is anybody', { exact: true }).first().waitFor();
  await ada.getByText('is typing').waitFor({ state: 'detached' }).catch(() => {});
  assert.equal(await ada.locator('#typing').textContent(), '');
  await ben.getByRole('button', { name: /People and your name/ }).click();
  await ben.getByLabel('Your name here').fill('Benedikt');
  await ben.getByRole('button', { name: 'Save' }).click();
  await ada.getByText('Benedikt is online').waitFor();
  await ada.locator('.who', { hasText: 'Benedikt' }).waitFor();
});

test('a room that was left says so', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'ada');
  await ready(page);
  for (const socket of fixture.sockets) socket.close(4410, 'space_left');
  await page.getByText('This space was left.').waitFor();
});

test('what is sent before the room is read goes as soon as it is', async () => {
  const fixture = await browser.fixture('empty');
  const call = fixture.room.call.bind(fixture.room);
  /** @type {() => void} */ let read = () => {};
  const reading = new Promise((done) => { read = () => done(undefined); });
  fixture.room.call = (id, method, params) => (method === 'me' ? reading.then(() => call(id, method, params)) : call(id, method, params));
  const page = await browser.open(fixture, 'ada');
  await box(page).fill('Early');
  await page.keyboard.press('Enter');
  read();
  await page.locator('article', { hasText: 'Early' }).waitFor();
  assert.equal(await box(page).inputValue(), '');
  assert.deepEqual(fixture.room.entries.map(({ body }) => body.json.text), ['Early']);
});

test('what others write is text, whatever it says', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'ada');
  await ready(page);
  fixture.room.names.set('eve', '<b>Eve</b>');
  const bad = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>';
  fixture.room.write('eve', { json: { text: bad, re: { author: 'eve', index: 1, text: bad } } });
  for (const json of [null, 7, 'text', [], {}, { text: 7 }, { text: ' ' }, { text: 'fine', re: 3 }, { text: 'fine too', re: { author: 1 } }]) fixture.room.write('eve', { json });
  fixture.room.write('eve', { bytes: 'AAAA' });
  fixture.room.write('eve', null);
  await page.getByText('fine too').first().waitFor();
  assert.equal(await page.locator('article').count(), 3);
  assert.equal(await page.locator('article').first().locator('.text').textContent(), bad);
  assert.equal(await page.evaluate('window.hit'), undefined);
});

test('a draft and what it replies to survive a reload', async () => {
  const fixture = await browser.fixture('few');
  const page = await browser.open(fixture, 'ada');
  await ready(page);
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('r');
  await box(page).fill('Half a tho');
  await page.reload();
  await ready(page);
  assert.equal(await box(page).inputValue(), 'Half a tho');
  await page.locator('#quote').waitFor();
  await page.keyboard.press('End');
  await page.keyboard.type('ught');
  await page.keyboard.press('Enter');
  await page.locator('article.mine', { hasText: 'Half a thought' }).locator('.quote').waitFor();
  assert.equal(await box(page).inputValue(), '');
});

test('a message that is not saved stays, and is sent again', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'ada');
  await ready(page);
  fixture.room.failing.set('space.append', new KithError('disk_full', 'The message was not saved.', 'The disk is full.', 'Make room.'));
  await box(page).fill('Precious');
  await page.keyboard.press('Enter');
  await page.getByText('Not sent. The message was not saved.').waitFor();
  await page.reload();
  await page.getByText('Not sent.').waitFor();
  fixture.room.failing.clear();
  await page.getByRole('button', { name: 'Send again' }).click();
  await page.locator('.fate').waitFor({ state: 'detached' });
  assert.equal(await page.locator('article').count(), 1);
  assert.deepEqual(fixture.room.entries.map(({ body }) => body.json.text), ['Precious']);
});

test('what is written while kith is away is sent once when it is back', async () => {
  const fixture = await browser.fixture('empty');
  const page = await browser.open(fixture, 'ada');
  await ready(page);
  fixture.stop();
  await page.getByText('kith does not answer').waitFor();
  await box(page).fill('Later');
  await page.keyboard.press('Enter');
  await page.getByText('Waits to be sent').waitFor();
  fixture.down = false;
  await page.getByRole('button', { name: 'Try now' }).click();
  await page.getByText('Waits to be sent').waitFor({ state: 'detached' });
  await page.getByText('kith does not answer').waitFor({ state: 'hidden' });
  assert.deepEqual(fixture.room.entries.map(({ body }) => body.json.text), ['Later']);
  assert.equal(await page.locator('article').count(), 1);
});

test('unread messages are counted in the title, marked, and read by looking', async () => {
  const fixture = await browser.fixture('full');
  const page = await browser.open(fixture, 'ada', 'manifest.toml');
  await page.evaluate(() => localStorage.setItem('read', '40'));
  await page.goto(`http://ada.localhost:${fixture.port}/`);
  await page.locator('.new').waitFor();
  assert.match(await page.title(), /^\(\d+\) Island weekend$/);
  assert.equal(await page.locator('#down-count').textContent(), (await page.title()).match(/\d+/)?.[0]);
  await page.locator('#down').click();
  await page.waitForFunction(() => document.title === 'Island weekend');
  await page.reload();
  await ready(page);
  assert.equal(await page.locator('.new').count(), 0);
});

test('messages are reached by keyboard', async () => {
  const fixture = await browser.fixture('full');
  const page = await browser.open(fixture, 'ada');
  await ready(page);
  await box(page).focus();
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute('aria-posinset') ?? document.activeElement?.id);
  await page.keyboard.press('ArrowUp');
  assert.equal(await focused(), '60');
  for (let n = 0; n < 30; n++) await page.keyboard.press('ArrowUp');
  assert.equal(await focused(), '30');
  await page.keyboard.press('Home');
  assert.equal(await focused(), '1');
  await page.keyboard.press('End');
  await page.keyboard.press('ArrowDown');
  assert.equal(await focused(), 'text');
  await page.keyboard.type('One');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('Two');
  assert.equal(await box(page).inputValue(), 'One\nTwo');
});

test('ten thousand messages: few are drawn, and what is read stays where it is', async () => {
  const fixture = await browser.fixture('huge');
  const page = await browser.open(fixture, 'ada');
  await ready(page);
  // Up to the very first one, as fast as older ones come.
  for (;;) {
    const [at, of] = await page.evaluate(() => {
      const thread = /** @type {Element} */ (document.getElementById('thread'));
      thread.scrollTop = 0;
      return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
        const first = document.querySelector('article');
        done([first?.getAttribute('aria-posinset'), first?.getAttribute('aria-setsize')]);
      })));
    });
    if (at === '1' && of === '10000') break;
  }
  assert.ok(await page.locator('article').count() < 120);
  // In the middle, a newcomer's late messages and a new one come: what is read does not move.
  const place = () => page.evaluate(() => {
    const { top } = /** @type {Element} */ (document.getElementById('thread')).getBoundingClientRect();
    for (const node of document.querySelectorAll('article')) {
      const box = node.getBoundingClientRect();
      if (box.top >= top) return { label: node.getAttribute('aria-label'), top: Math.round(box.top) };
    }
    return undefined;
  });
  await page.evaluate(() => new Promise((done) => {
    const thread = /** @type {Element} */ (document.getElementById('thread'));
    thread.scrollTop = thread.scrollHeight / 2;
    requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done)));
  }));
  const before = await place();
  for (let n = 0; n < 50; n++) {
    const { serial } = fixture.room.write('ben', { json: { text: `A late one ${n}` } });
    assert.ok(serial > 10_000);
  }
  await page.waitForFunction(() => document.querySelector('article')?.getAttribute('aria-setsize') === '10050');
  const after = await place();
  assert.equal(after?.label, before?.label);
  assert.ok(Math.abs((after?.top ?? 0) - (before?.top ?? 0)) <= 1, `${before?.top} px, then ${after?.top} px`);
  await page.locator('#down').click();
  await page.locator('article', { hasText: 'A late one 49' }).waitFor();
});

test('many messages at once are told together, and none is lost', async () => {
  const fixture = await browser.fixture('few');
  const page = await browser.open(fixture, 'ada');
  await ready(page);
  await page.evaluate(() => {
    const said = /** @type {string[]} */ (window.seen = []);
    const live = /** @type {Element} */ (document.getElementById('live'));
    new MutationObserver(() => { if (live.textContent) said.push(live.textContent); }).observe(live, { childList: true, characterData: true, subtree: true });
  });
  for (let n = 0; n < 3_000; n++) fixture.room.write('ben', { json: { text: `Burst ${n}` } });
  await page.locator('article', { hasText: 'Burst 2999' }).waitFor();
  const said = await page.evaluate(() => window.seen);
  assert.ok(said.length < 100, `${said.length} times`);
  const told = said.map((words) => Number(/^([\d,]+) new messages$/.exec(String(words))?.[1].replace(',', '') ?? 1));
  assert.equal(told.reduce((sum, n) => sum + n, 0), 3_000);
  // One alone is read out.
  fixture.room.write('ben', { json: { text: 'And one more' } });
  await page.waitForFunction(() => document.getElementById('live')?.textContent === 'Ben: And one more');
});

test('a failure says what happened, and can be tried again', async () => {
  const fixture = await browser.fixture('few');
  fixture.room.failing.set('space.read', new KithError('storage', 'The messages can’t be read.', 'Reading from the disk failed.', 'Start kith again.'));
  const page = await browser.open(fixture, 'ada');
  await page.getByText('The messages can’t be read. Reading from the disk failed. Start kith again.').waitFor();
  fixture.room.failing.clear();
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.locator('article').first().waitFor();
});
