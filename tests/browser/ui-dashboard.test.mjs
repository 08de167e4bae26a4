// The dashboard, by what a person sees and does.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import { TRIED } from './fixture/dashboard.mjs';
import { faults, useBrowser } from './fixture/open.mjs';
import { KithError } from './fixture/error.mjs';

const browser = useBrowser();
const IN = '#token=good';

afterEach(() => assert.deepEqual(faults.splice(0), []));

/** @param {import('playwright-core').Page} page @param {string} name */
const button = (page, name) => page.getByRole('button', { name, exact: true });

test('a token lets in once, leaves the address, and opens the page that was asked for', async () => {
  const fixture = await browser.fixture('few');
  const context = await browser.context();
  const page = await browser.open(fixture, '', `${IN}&at=/settings`, context);
  await page.getByRole('heading', { name: 'Settings' }).waitFor();
  assert.equal(page.url(), `http://localhost:${fixture.port}/#/settings`);
  await page.reload();
  await page.getByLabel('Your name').waitFor();
  // Another tab is lent the way in by this one; a browser that has none is told what to do.
  const second = await browser.open(fixture, '', '', context);
  await second.getByText('Island weekend').waitFor();
  const stranger = await browser.open(fixture, '');
  await stranger.getByRole('heading', { name: 'Run kith again' }).waitFor();
});

test('a tab without a way in goes on when kith brings up another one', async () => {
  const fixture = await browser.fixture('few');
  const context = await browser.context();
  const waiting = await browser.open(fixture, '', '#token=old', context);
  await waiting.getByRole('heading', { name: 'Run kith again' }).waitFor();
  await browser.open(fixture, '', IN, context);
  await waiting.getByText('Island weekend').waitFor();
});

test('apps have their icons, which no status repeats', async () => {
  const fixture = await browser.fixture('few');
  const page = await browser.open(fixture, '', IN);
  await page.locator('img.app-icon[src^="data:image/png"]').first().waitFor();
  // A status that comes later does not take them away, and a new version's is asked for.
  const { chat } = fixture.dashboard;
  Object.assign(chat, { version: chat.version + 1, icon: `${chat.icon}#2` });
  fixture.dashboard.tell();
  await page.locator('img.app-icon[src$="#2"]').first().waitFor();
});

test('what needs the person comes first', async () => {
  const fixture = await browser.fixture('failing');
  const page = await browser.open(fixture, '', IN);
  const problems = page.getByRole('region', { name: 'What needs you' });
  await problems.getByText('The disk is full: nothing new can be saved.').waitFor();
  await problems.getByRole('button', { name: 'Dismiss' }).first().click();
  await problems.getByText('The disk is full').waitFor({ state: 'detached' });
  // Each has a button that does what it says is to be done.
  await button(page, 'Leave Book club').click();
  await page.getByRole('dialog', { name: 'Leave Book club?' }).getByRole('button', { name: 'Stay' }).click();
  const [asked] = await Promise.all([page.context().waitForEvent('page'), problems.getByRole('button', { name: 'Open Island weekend' }).click()]);
  await asked.close();
  await problems.getByRole('link', { name: 'Look at Island weekend' }).click();
  await page.getByRole('heading', { name: 'Island weekend', exact: true }).waitFor();
  await page.goBack();
  fixture.dashboard.problems = [];
  fixture.dashboard.tell();
  await problems.waitFor({ state: 'detached' });
});

test('one slow answer does not leave old news for long', async () => {
  const fixture = await browser.fixture('few');
  const call = fixture.dashboard.call.bind(fixture.dashboard);
  let slow = true;
  fixture.dashboard.call = (method, params) => {
    if (!slow || method !== 'spaces.list') return call(method, params);
    slow = false;
    return new Promise((done) => { setTimeout(() => done(call(method, params)), 1_500); });
  };
  const page = await browser.open(fixture, '', IN);
  await page.getByText('Island weekend').waitFor();
  fixture.dashboard.spaces[0].name = 'Renamed meanwhile';
  await page.getByText('Renamed meanwhile').waitFor({ timeout: 15_000 });
});

test('a space is made, invited to, renamed, opened and left', async () => {
  const fixture = await browser.fixture('empty');
  const context = await browser.context({ permissions: ['clipboard-read', 'clipboard-write'] });
  const page = await browser.open(fixture, '', IN, context);
  await button(page, 'New space of Chat').click();
  await page.getByLabel('What you call it').fill('Island');
  const [opened] = await Promise.all([context.waitForEvent('page'), button(page, 'Make and open').click()]);
  await opened.waitForURL(`http://ada.localhost:${fixture.port}/`);
  await opened.close();
  await page.getByText('Only you so far').waitFor();

  await button(page, 'Invite to Island').click();
  await page.getByRole('img', { name: 'The link as a QR code' }).waitFor();
  await button(page, 'Copy the link').click();
  await page.getByText('Copied').waitFor();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^kith:\/\//);
  await button(page, 'Done').click();

  await page.getByText('Only you so far').click();
  await button(page, 'Rename').click();
  await page.getByLabel('What you call it').fill('Mainland');
  await button(page, 'Save').click();
  await page.getByRole('heading', { name: 'Mainland', exact: true }).waitFor();

  const [again] = await Promise.all([context.waitForEvent('page'), button(page, 'Open').click()]);
  await again.waitForURL(`http://ada.localhost:${fixture.port}/`);
  await again.close();

  await button(page, 'Leave').click();
  await page.getByText('Nobody else has them: they are gone for good.').waitFor();
  await button(page, 'Stay').click();
  assert.equal(fixture.dashboard.spaces.length, 1);
  await button(page, 'Leave').click();
  await button(page, 'Leave Mainland').click();
  await page.getByText('A space is a place for a few people').waitFor();
  assert.equal(fixture.dashboard.spaces.length, 0);
});

test('a link is opened: looked for, fetched, asked about, then open', async () => {
  const fixture = await browser.fixture('few');
  const page = await browser.open(fixture, '', IN);
  const field = page.getByLabel('A link to an app or a space');
  await field.fill('https://example.org/');
  await field.press('Enter');
  await page.getByRole('alert').getByText('This is not a link to an app.').waitFor();
  await field.fill('kith://abc/#def');
  await button(page, 'Open').click();
  await page.getByRole('heading', { name: 'Looking for the app' }).waitFor();
  const [opening] = fixture.dashboard.openings.keys();
  fixture.dashboard.stage(opening, { stage: 'fetching', tried: TRIED, bytes: 740_000, size: 1_480_000 });
  await page.getByText('740 kB of 1.5 MB').waitFor();
  await page.getByText('Dialling 192.0.2.44').waitFor();

  const chess = fixture.dashboard.apps[2];
  fixture.dashboard.stage(opening, { stage: 'asking', app: chess, invited: false });
  await page.getByRole('heading', { name: 'Open Slow Chess?' }).waitFor();
  await page.getByText(chess.app.slice(0, 4)).first().waitFor();
  await page.getByText('It wants to use the camera.').waitFor();
  await page.getByText('Anyone can join it, and watch who is there').waitFor();
  await page.getByRole('radio', { name: /public space/ }).check();
  /** @type {any} */ let chosen;
  const call = fixture.dashboard.call.bind(fixture.dashboard);
  fixture.dashboard.call = (method, params) => { if (method === 'open.confirm') chosen = params; return call(method, params); };
  await button(page, 'Open Slow Chess').click();
  await page.getByRole('textbox', { name: 'Message' }).waitFor();
  assert.deepEqual(chosen, { opening, space: 'public' });
});

test('an opening that fails says why, and is tried again', async () => {
  const fixture = await browser.fixture('few');
  const page = await browser.open(fixture, '', IN);
  await page.getByLabel('A link to an app or a space').fill('kith://abc');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Looking for the app' }).waitFor();
  const [opening] = fixture.dashboard.openings.keys();
  const error = { code: 'unreachable', what: 'Nobody who has the app could be reached.', why: 'All 3 were tried.', todo: 'Ask whoever sent it to start their kith.' };
  fixture.dashboard.stage(opening, { stage: 'failed', error });
  await page.getByText('All 3 were tried. Ask whoever sent it to start their kith.').waitFor();
  await button(page, 'Try again').click();
  await page.getByRole('heading', { name: 'Looking for the app' }).waitFor();
  assert.equal(fixture.dashboard.openings.size, 2);
  await page.goto(`http://localhost:${fixture.port}/#/open/gone`);
  await page.getByText('This opening is over.').waitFor();
});

test('a person is looked at, blocked and unblocked', async () => {
  const fixture = await browser.fixture('few');
  const page = await browser.open(fixture, '', `${IN}&at=/people`);
  await page.getByRole('button', { name: /Ada.*Direct, 24 ms/ }).click();
  const dialog = page.getByRole('dialog', { name: 'Ada' });
  await dialog.getByText('Found by an invitation and memory').waitFor();
  await button(page, 'Block').click();
  await button(page, 'Block Ada').click();
  await dialog.getByText('Blocked by you').waitFor();
  await button(page, 'Unblock Ada').click();
  await button(page, 'Block').waitFor();
});

test('settings are kept, and a refusal is told', async () => {
  const fixture = await browser.fixture('few');
  const page = await browser.open(fixture, '', `${IN}&at=/settings`);
  await page.getByLabel('Your name').fill('Ada L.');
  await button(page, 'Save').click();
  await page.getByText('Saved.').waitFor();
  await page.getByRole('switch', { name: 'Find people on the local network' }).uncheck();
  await page.waitForFunction(() => !(/** @type {HTMLInputElement} */ (document.querySelector('[role=switch]')).checked));
  assert.deepEqual(fixture.dashboard.settings, { name: 'Ada L.', lan: false, auto_update: false });
  fixture.dashboard.failing.set('settings.set', new KithError('read_only', 'The name was not saved.', 'The folder can’t be written.', 'Look at its permissions.'));
  await button(page, 'Save').click();
  await page.getByRole('alert').getByText('The name was not saved.').waitFor();
});

test('a node that goes away is told, and what comes back is shown', async () => {
  const fixture = await browser.fixture('few');
  const page = await browser.open(fixture, '', IN);
  await page.getByText('Island weekend').waitFor();
  fixture.stop();
  await page.getByText('What you see is from before.').waitFor();
  await page.getByText('Island weekend').waitFor();
  fixture.dashboard.spaces[0].name = 'Renamed meanwhile';
  fixture.down = false;
  await button(page, 'Try now').click();
  await page.getByText('Renamed meanwhile').waitFor();
  await page.getByText('What you see is from before.').waitFor({ state: 'detached' });
});

test('stopping asks first, and the page waits for the next start', async () => {
  const fixture = await browser.fixture('few');
  const page = await browser.open(fixture, '', `${IN}&at=/settings`);
  await button(page, 'Stop kith').click();
  await page.getByRole('dialog', { name: 'Stop kith?' }).getByRole('button', { name: 'Stop kith' }).click();
  await page.waitForFunction(() => !document.querySelector('dialog'));
  assert.equal(fixture.dashboard.stopped, true);
  fixture.stop();
  await page.getByRole('heading', { name: 'kith is stopped' }).waitFor();
  fixture.down = false;
  await page.getByRole('heading', { name: 'Settings' }).waitFor();
});

test('ten thousand people: few are drawn, all can be scrolled to and searched', async () => {
  const fixture = await browser.fixture('huge');
  const page = await browser.open(fixture, '', `${IN}&at=/people`);
  await page.getByText('10,000 people connected').waitFor();
  await page.locator('.peer').first().waitFor();
  assert.ok(await page.locator('.peer').count() < 80);
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
  await page.locator('[aria-posinset="10000"]').waitFor();
  await page.getByLabel('Search people').fill('löwenstein 7777');
  await page.waitForFunction(() => document.querySelectorAll('.peer').length === 1);
});

test('everything by keyboard: focus is seen, kept by dialogs and given back', async () => {
  const fixture = await browser.fixture('few');
  const page = await browser.open(fixture, '', IN);
  await page.getByText('Island weekend').waitFor();
  /** What has the focus, and whether one can see it. */
  const focused = () => page.evaluate(() => {
    const at = document.activeElement ?? document.body;
    const { outlineStyle, outlineWidth } = getComputedStyle(at);
    return { name: at.getAttribute('aria-label') ?? at.textContent?.trim() ?? '', seen: outlineStyle !== 'none' && outlineWidth !== '0px', id: at.id, inDialog: at.closest('dialog') !== null };
  });
  await page.keyboard.press('Tab');
  assert.deepEqual(await focused(), { name: 'To the content', seen: true, id: '', inDialog: false });
  await page.keyboard.press('Enter');
  assert.equal((await focused()).id, 'main');
  /** @type {string[]} */ const names = [];
  for (let n = 0; n < 40; n++) {
    await page.keyboard.press('Tab');
    const at = await focused();
    assert.ok(at.seen, `the focus is seen at ${at.name}`);
    names.push(at.name);
    if (at.name === 'Invite to Book club') break;
  }
  assert.ok(['New space of Chat', 'Invite to Island weekend', 'Open Island weekend'].every((name) => names.includes(name)), names.join());
  for (const end of [() => page.keyboard.press('Escape'), () => button(page, 'Done').press('Enter')]) {
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Invite to Book club' }).getByRole('img').waitFor();
    for (let n = 0; n < 6; n++) {
      const { inDialog, name } = await focused();
      // Between the last and the first of a dialog the focus is at the browser's own.
      assert.ok(inDialog || name.includes('To the content'), `${name} is behind the dialog`);
      await page.keyboard.press('Tab');
    }
    await end();
    await page.locator('dialog').waitFor({ state: 'detached' });
    await page.waitForFunction(() => document.activeElement?.getAttribute('aria-label') === 'Invite to Book club');
  }
});

test('nothing jumps when data arrives', async () => {
  const fixture = await browser.fixture('failing');
  const call = fixture.dashboard.call.bind(fixture.dashboard);
  fixture.dashboard.call = async (method, params) => {
    await new Promise((done) => { setTimeout(done, 800); });
    return call(method, params);
  };
  const page = await (await browser.context()).newPage();
  await page.addInitScript(() => {
    Object.assign(window, { shift: 0 });
    new PerformanceObserver((list) => {
      for (const entry of /** @type {any[]} */ (list.getEntries())) if (!entry.hadRecentInput) /** @type {any} */ (window).shift += entry.value;
    }).observe({ type: 'layout-shift', buffered: true });
  });
  for (const [at, seen] of [['/', 'Island weekend'], ['/people', 'Chidi Okonkwo'], ['/activity', 'How people are found'], ['/settings', 'Your name']]) {
    await page.goto('about:blank');
    await page.goto(`http://localhost:${fixture.port}/${IN}&at=${at}`);
    await page.getByText(seen).first().waitFor();
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    assert.ok(await page.evaluate(() => /** @type {any} */ (window).shift) < 0.01, `${at} shifts by ${await page.evaluate(() => /** @type {any} */ (window).shift)}`);
  }
});

test('what flowed is drawn where it belongs in time, and forgotten after five minutes', async () => {
  const fixture = await browser.fixture('empty');
  const page = await (await browser.context()).newPage();
  // The clock and the ticking are ours. A bar of the chart begins here.
  await page.addInitScript(() => {
    const own = Object.assign(/** @type {any} */ (window), { now: 1_800_000_000_000, setInterval: (/** @type {() => void} */ act) => { own.tick = act; return 1; }, clearInterval: () => { own.tick = undefined; } });
    Date.now = () => own.now;
  });
  const run = (/** @type {number} */ time) => page.evaluate((time) => {
    const own = /** @type {any} */ (window);
    for (const end = own.now + time; own.now < end;) {
      own.now += 1_000;
      own.tick?.();
    }
  }, time);
  await page.goto(`http://localhost:${fixture.port}/${IN}&at=/activity`);
  await page.getByText('0 bytes received').waitFor();
  await page.getByText('Nothing flowed').waitFor();
  const bars = () => page.locator('.traffic .chart .down').getAttribute('d');
  /** @param {number} bytes */
  const receive = async (bytes) => {
    fixture.dashboard.chat.traffic.received += bytes;
    fixture.dashboard.tell();
    await page.getByText(new RegExp(`${fixture.dashboard.chat.traffic.received / 1_000} kB received`)).waitFor();
  };
  await receive(50_000);
  await run(1_000);
  await page.getByText('Highest: 50 kB/s').waitFor();
  assert.match(await bars() ?? '', /^M59\.1 /, 'one bar, the last');
  // Nothing more: the speed goes down, and the bar is the average of its five seconds.
  await run(9_000);
  await page.getByText('Highest: 10 kB/s').waitFor();
  assert.match(await bars() ?? '', /^M57\.1 [^M]*$/, 'it has moved on by two');
  assert.equal(await page.locator('.traffic .down dd').first().textContent(), '0 kB/s');
  // Hidden for two minutes, while more flows: that is in no bar, since nobody looked when.
  const hide = (/** @type {boolean} */ hidden) => page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
  await hide(true);
  fixture.dashboard.chat.traffic.received += 900_000;
  await run(120_000);
  await hide(false);
  await page.getByText('950 kB received').waitFor();
  await run(1_000);
  await page.getByText('Highest: 10 kB/s').waitFor();
  assert.match(await bars() ?? '', /^M33\.1 [^M]*$/, 'it has moved on by 24');
  await run(300_000);
  await page.getByText('Nothing flowed').waitFor();
});

test('no work while hidden', async () => {
  const fixture = await browser.fixture('few');
  const page = await (await browser.context()).newPage();
  // Intervals that go on, by their numbers.
  await page.addInitScript(() => {
    const [set, clear] = [window.setInterval, window.clearInterval];
    const ticking = new Set();
    Object.assign(window, {
      ticking,
      setInterval: (/** @type {() => void} */ act, /** @type {number} */ time) => { const id = set(act, time); ticking.add(id); return id; },
      clearInterval: (/** @type {number} */ id) => { ticking.delete(id); clear(id); },
    });
  });
  const ticking = () => page.evaluate(() => /** @type {any} */ (window).ticking.size);
  await page.goto(`http://localhost:${fixture.port}/${IN}`);
  await page.getByText('Island weekend').waitFor();
  assert.equal(await ticking(), 1);
  assert.equal(fixture.dashboard.watching.size, 1);
  const hide = (/** @type {boolean} */ hidden) => page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
  await hide(true);
  const watchers = () => fixture.dashboard.watching.size;
  while (watchers() > 0) await page.evaluate(() => new Promise((done) => setTimeout(done, 20)));
  assert.equal(await ticking(), 0);
  let calls = 0;
  const call = fixture.dashboard.call.bind(fixture.dashboard);
  fixture.dashboard.call = (method, params) => { calls += 1; return call(method, params); };
  fixture.dashboard.tell();
  await page.evaluate(() => new Promise((done) => setTimeout(done)));
  assert.equal(calls, 0);
  await hide(false);
  while (watchers() === 0) await page.evaluate(() => new Promise((done) => setTimeout(done, 20)));
});

test('a newer version says what it changes, and one that asks for more is asked about', async () => {
  const fixture = await browser.fixture('few');
  const page = await browser.open(fixture, '', IN);
  await page.getByText('It also wants to know where you are. It no longer wants to use the camera.').waitFor();
  await page.getByText('1 space has open pages with the version before.').waitFor();
  await button(page, 'Update Slow Chess').click();
  const dialog = page.getByRole('dialog', { name: 'Update Slow Chess?' });
  await dialog.getByRole('button', { name: 'Stay at version 12' }).click();
  assert.equal(fixture.dashboard.apps[2]?.version, 12);
  await button(page, 'Update Slow Chess').click();
  await dialog.getByRole('button', { name: 'Update', exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
  assert.equal(fixture.dashboard.apps[2]?.version, 13);
  // Where nothing more is asked, one click is enough; a refusal is told where it was clicked.
  Object.assign(fixture.dashboard.apps[2] ?? {}, { update: { version: 14, name: 'Slow Chess', size: 1_520_000, adds: [], removes: [] } });
  fixture.dashboard.tell();
  fixture.dashboard.failing.set('apps.update', new KithError('storage', 'It was not installed.', 'The disk is full.', 'Make room.'));
  await button(page, 'Update Slow Chess').click();
  await page.getByRole('alert').getByText('It was not installed.').waitFor();
  fixture.dashboard.failing.clear();
  await button(page, 'Update Slow Chess').click();
  await page.getByText('Version 14 is here').waitFor({ state: 'detached' });
});

test('an app is removed with its spaces, after saying what is lost; one of kith’s own is not', async () => {
  const fixture = await browser.fixture('few');
  const page = await browser.open(fixture, '', `${IN}&at=/activity`);
  await page.getByRole('link', { name: 'Free what Slow Chess takes' }).click();
  await page.getByRole('heading', { name: 'Slow Chess', exact: true }).waitFor();
  await button(page, 'Remove Slow Chess').click();
  const dialog = page.getByRole('dialog', { name: 'Remove Slow Chess?' });
  await dialog.getByText('You leave Ben and me.').waitFor();
  await dialog.getByRole('button', { name: 'Keep it' }).click();
  await button(page, 'Remove Slow Chess').click();
  await dialog.getByRole('button', { name: 'Remove Slow Chess' }).click();
  await page.getByRole('link', { name: 'Chat', exact: true }).click();
  await page.getByText('Chat is part of kith').waitFor();
  assert.equal(await page.getByRole('button', { name: /^Remove/ }).count(), 0);
  await button(page, 'Leave Family').click();
  await page.getByRole('dialog', { name: 'Leave Family?' }).waitFor();
  assert.equal(fixture.dashboard.apps.length, 2);
});

test('what is held of a space’s files is freed after saying whose they are, and one’s own only on one’s word', async () => {
  const fixture = await browser.fixture('full');
  const page = await browser.open(fixture, '', IN);
  const [, club] = fixture.dashboard.spaces;
  await page.evaluate((at) => { location.hash = at; }, `/app/${club.app}`);
  await button(page, 'Free the files of Book club').click();
  await page.getByText('12 files (7 MB) that others added').waitFor();
  await page.getByText('3 files (5 MB) that you added stay').waitFor();
  await page.getByText('Files that you share from where they are (3 MB) stay').waitFor();
  await page.getByLabel('Also free what I added').check();
  await page.getByText('3 files (5 MB) that you added go, too.').waitFor();
  await page.getByLabel('Also free what I added').uncheck();
  await button(page, 'Free 7 MB').click();
  await page.getByText('12 files went: 7 MB are free again.').waitFor();
  await button(page, 'Done').click();
  await button(page, 'Free the files of Book club').waitFor({ state: 'detached' });
  const [first] = fixture.dashboard.spaces;
  fixture.dashboard.failing.set('files.held', new KithError('storage', 'What is here can’t be read.', 'The disk gave an error.', 'Look at the disk.'));
  await button(page, `Free the files of ${first.name}`).click();
  await page.getByText('What is here can’t be read. The disk gave an error.').waitFor();
  await page.keyboard.press('Escape');
});

test('the keys that sign apps are shown, with how to keep a copy', async () => {
  const fixture = await browser.fixture('few');
  const page = await browser.open(fixture, '', `${IN}&at=/settings`);
  await page.getByText('A lost key is a dead app:').waitFor();
  await page.getByText('kith key export board -o FILE').waitFor();
});
