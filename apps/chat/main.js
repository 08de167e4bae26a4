// Chat: draws the room and takes what the person does. The room itself is in room.js.
import { connection, KithError, space } from '/.kith/kith.js';

import { brought, filesLook, summary, touchFiles } from './files.js';
import { drawDay, drawMessage, drawNew, face } from './message.js';
import { el } from './parts.js';
import { LONGEST, Room } from './room.js';
import { Thread } from './thread.js';
import { receive, Tray } from './tray.js';
import { Viewer } from './viewer.js';
import { dayOf, these } from './words.js';

/** @import { Message, Quote } from './room.js' */

/** Messages of one person that come within this time belong together, in ms. */
const TOGETHER = 5 * 60_000;
/** Older messages are asked for when the first one is this near, in px. */
const NEAR_TOP = 2_000;
/** A wait is put into words after this time, in ms. */
const PATIENCE = 800;
/** How often a hidden page is drawn at most, in ms. */
const HIDDEN_DRAW = 250;
/** A lost connection is told after this time, in ms: most come back sooner. */
const LOST = 1_500;

/** @template {HTMLElement} T @param {string} id @param {new () => T} kind @returns {T} */
function get(id, kind) {
  const node = document.getElementById(id);
  if (!(node instanceof kind)) throw new Error(`#${id} is missing`);
  return node;
}
const at = (/** @type {string} */ id) => get(id, HTMLElement);
const text = get('text', HTMLTextAreaElement);
const sheet = get('sheet', HTMLDialogElement);

const room = new Room();
/** Messages with a higher serial are new to the person; the line stands above the first. */
let marker = Infinity;
/** What is replied to. @type {Quote | undefined} */
let about;
/** @type {Set<string>} */
const expanded = new Set();
/** Films and sounds that were begun. @type {Set<string>} */
const playing = new Set();
/** Pictures and films that a browser can't show. @type {Set<string>} */
const broken = new Set();
const tray = new Tray(at('tray'), say, () => { measure(); keepDraft(); });
const viewer = new Viewer();
/** When the connection was lost, in ms since 1970. @type {number | undefined} */
let lostAt = Date.now();

const thread = new Thread(at('thread'), at('rows'), () => {
  if (thread.top < NEAR_TOP && room.state === 'ready') void room.loadOlder();
  if (seen()) room.markRead();
  drawDown();
});

/** @type {import('./files.js').FileActs} */
const fileActs = {
  state: ({ hash }) => room.files.get(hash),
  known: () => room.filesKnown,
  want: (file) => room.want(file),
  plays: (id) => playing.has(id),
  play: (id) => { playing.add(id); draw(); },
  broken: (id) => broken.has(id),
  fail: (id) => { broken.add(id); drawSoon(); },
  show: (message, place) => viewer.show(message.files, place),
  say,
};

/** Whether the person looks at the newest message. */
const seen = () => thread.atEnd && document.visibilityState === 'visible' && document.hasFocus();

/** @type {import('./message.js').Acts} */
const acts = {
  reply: replyTo,
  retry: (key) => room.retry(key),
  discard: (key) => void room.discard(key),
  cancel: (key) => {
    const message = room.discard(key);
    if (!message) return;
    // It was not sent, so it is still to be written.
    tray.put(message.files);
    if (text.value.trim() === '') text.value = message.text;
    keepDraft();
    measure();
    text.focus();
  },
  files: fileActs,
  expand: (key) => { expanded.add(key); draw(); },
  find: ({ re }) => {
    const node = re && thread.reveal(`${re.author}/${re.index}`, 'center');
    if (node) node.focus({ preventScroll: true });
    else say('The message is further up than what has been read so far.');
  },
};

/** The rows of the thread. @returns {import('./thread.js').Row[]} */
function rows() {
  /** @type {import('./thread.js').Row[]} */ const all = [];
  const messages = [...room.messages, ...room.outbox];
  /** @type {Message | undefined} */ let before;
  let marked = false;
  messages.forEach((message, place) => {
    const mine = message.author === room.me?.id;
    let first = !before || before.author !== message.author || message.time - before.time > TOGETHER;
    if (!before || before.day !== message.day) {
      const { time } = message;
      all.push({ key: `day/${message.key}`, look: String(dayOf(Date.now())), draw: () => drawDay(time) });
      first = true;
    }
    if (!marked && !mine && message.serial > marker) {
      marked = first = true;
      all.push({ key: 'new', look: '', draw: () => drawNew('New') });
    }
    const name = room.name(message.author);
    const quoted = message.re && (message.re.author === room.me?.id ? 'You' : room.name(message.re.author));
    const how = { name, quoted, mine, first, expanded: expanded.has(message.key) };
    const of = room.older ? -1 : messages.length;
    const slow = message.waits !== 'sending' || message.files.length > 0 || Date.now() - message.time > PATIENCE;
    all.push({
      key: message.key,
      look: [first, name, quoted, how.expanded, slow && message.waits, message.error?.what, filesLook(message, fileActs)].join('|'),
      draw: () => drawMessage(slow ? message : { ...message, waits: undefined }, how, acts),
      touch: (node) => {
        node.setAttribute('aria-posinset', String(place + 1));
        node.setAttribute('aria-setsize', String(of));
        if (message.files.length > 0) touchFiles(node, message, fileActs);
      },
    });
    before = message;
  });
  return all;
}

function draw() {
  lostAt = connection.state === 'open' ? undefined : lostAt ?? Date.now();
  thread.set(rows());
  at('thread').setAttribute('aria-busy', String(room.state === 'loading'));
  at('title').textContent = room.me?.space_name || 'Chat';
  const unread = room.unread().length;
  document.title = `${unread > 0 ? `(${unread}) ` : ''}${room.me?.space_name || 'Chat'}`;
  drawPresence();
  drawTyping();
  drawBlank();
  drawBanner();
  drawDown();
  if (sheet.open) drawMembers();
}

function others() {
  return [...room.online].filter((id) => id !== room.me?.id).map((id) => ({ id, name: room.name(id) }));
}

function drawPresence() {
  if (room.state === 'loading') return;
  const away = connection.state === 'refused' || (lostAt !== undefined && Date.now() - lostAt > LOST);
  const there = away ? [] : others();
  const words = away ? 'Not connected' : there.length > 0 ? `${these(there.map(({ name }) => name))} ${there.length === 1 ? 'is' : 'are'} online`
    : room.members.size > 1 ? 'Nobody else is online' : 'Only you so far';
  if (at('presence').textContent === words) return;
  at('presence').textContent = words;
  at('people').setAttribute('aria-label', `${words}. People and your name`);
  at('faces').replaceChildren(...there.slice(0, 3).map(({ id, name }) => face(id, name)));
}

function drawTyping() {
  const names = [...room.typing.keys()].map((id) => room.name(id));
  const words = names.length === 0 ? '' : `${these(names)} ${names.length === 1 ? 'is' : 'are'} typing`;
  if (at('typing').textContent !== words) at('typing').textContent = words;
}

/** What stands in place of messages. */
function drawBlank() {
  const blank = at('blank');
  const none = room.messages.length + room.outbox.length === 0;
  const what = room.state === 'failed' || room.state === 'refused' ? '' : !none ? '' : room.state === 'ready' ? 'empty' : Date.now() - began > PATIENCE ? 'wait' : '';
  if (blank.dataset.what === what) return;
  blank.dataset.what = what;
  blank.replaceChildren(...what === 'empty' ? [
    el('h2', {}, 'No messages yet'),
    el('p', {}, 'Write the first one. It is kept here, and reaches the others when you meet.'),
  ] : what === 'wait' ? [el('p', {}, 'Reading the messages…')] : []);
}

/** What is wrong, and what can be done. */
function drawBanner() {
  const { state } = connection;
  const banner = at('banner');
  /** @type {[string, string, string, () => void] | undefined} */ let said;
  if (room.state === 'refused' || state === 'refused') {
    const { what, why, todo } = connection.error ?? room.error ?? { what: 'kith does not know this page any more.', why: '', todo: 'Open the room again from kith.' };
    said = [what, [what, why, todo].filter(Boolean).join(' '), '', () => {}];
  } else if (room.state === 'failed') {
    const { what, why, todo } = room.error ?? { what: 'The room can’t be read.', why: '', todo: '' };
    said = [what, [what, why, todo].filter(Boolean).join(' '), 'Try again', () => void room.start()];
  } else if (lostAt !== undefined && Date.now() - lostAt > LOST) {
    said = ['lost', 'kith does not answer. This page tries again by itself; what you write waits here.', 'Try now', () => connection.retry()];
  }
  if (banner.dataset.what === (said?.[0] ?? '')) return;
  banner.dataset.what = said?.[0] ?? '';
  banner.hidden = !said;
  banner.replaceChildren(...said ? [said[1]] : []);
  if (said?.[2]) {
    const button = el('button', { type: 'button' }, said[2]);
    button.addEventListener('click', said[3]);
    banner.append(button);
  }
}

function drawDown() {
  const unread = room.unread().length;
  at('down').hidden = thread.atEnd;
  at('down-count').textContent = unread > 0 ? String(unread) : '';
  at('down').setAttribute('aria-label', unread > 0 ? `To the newest message, ${unread} unread` : 'To the newest message');
}

function drawMembers() {
  at('members').replaceChildren(...[...room.members.values()].map(({ id, name, me, forked }) => {
    const there = me || room.online.has(id);
    return el('li', { class: there ? 'there' : '' }, face(id, name), el('span', { class: 'name', dir: 'auto' }, name),
      el('span', { class: 'state' }, me ? 'You' : there ? 'Online' : 'Away'),
      forked ? el('p', { class: 'forked' }, 'Wrote two histories: their data was copied or restored, or their key is in other hands.') : undefined);
  }));
}

/** @param {File[]} files */
function add(files) {
  tray.add(files);
  text.focus();
}

/** Tells those who do not look. @param {string} words */
function say(words) {
  at('live').textContent = '';
  at('live').textContent = words;
}

/** @param {Quote | undefined} quote */
function replyTo(quote) {
  about = quote && { author: quote.author, index: quote.index, text: 'files' in quote ? summary(/** @type {Message} */ (quote)) : quote.text };
  at('quote').hidden = !about;
  if (about) {
    at('quote-name').textContent = about.author === room.me?.id ? 'You' : room.name(about.author);
    at('quote-text').textContent = about.text.slice(0, 200);
    text.focus();
  }
  keepDraft();
}

function keepDraft() {
  // Files that kith has already are there after a reload, too.
  const files = tray.files.filter(({ hash }) => hash !== '').map(({ hash, name, type, size, folder, url }) => ({ hash, name, type, size, folder, url }));
  sessionStorage.setItem('draft', JSON.stringify({ text: text.value, about, files }));
}

/** Takes what the person brought here from another app: it stands before what they have begun to write. */
async function takeBrought() {
  const taken = await space.draft().catch(() => null);
  if (!taken) return;
  text.value = [taken.text, text.value].filter((part) => part.trim() !== '').join('\n');
  tray.put(taken.files.map(brought));
  keepDraft();
  measure();
  say('What you brought is here: change it, then send it.');
}

function measure() {
  text.style.height = 'auto';
  text.style.height = `${text.scrollHeight}px`;
  at('attach').classList.toggle('some', tray.files.length > 0);
  const over = text.value.length - LONGEST;
  at('limit').textContent = over > 0 ? `Too long by ${over.toLocaleString()} characters.` : '';
}

/** Whether the person has sent what stands in the field before it could be: the room was not read yet. */
let early = false;

function submit() {
  const words = text.value.trim();
  early = room.state === 'loading';
  if ((words === '' && tray.files.length === 0) || words.length > LONGEST || early || !room.me) return;
  room.send(words, about, tray.take());
  text.value = '';
  about = undefined;
  at('quote').hidden = true;
  keepDraft();
  measure();
  marker = Infinity;
  room.markRead();
  thread.toEnd();
  draw();
  text.focus();
}

/** Moves through the messages. @param {string} key */
function walk(key) {
  const keys = [...room.messages, ...room.outbox].map((message) => message.key);
  const here = keys.indexOf(focusedKey());
  const to = { ArrowUp: here < 0 ? keys.length - 1 : here - 1, ArrowDown: here < 0 ? keys.length - 1 : here + 1, Home: 0, End: keys.length - 1 }[key] ?? -1;
  if (key === 'ArrowDown' && here === keys.length - 1) {
    text.focus();
    return;
  }
  const next = keys[to];
  if (next === undefined) return;
  chosen = next;
  thread.reveal(next)?.focus({ preventScroll: true });
}
/** The message that the keyboard is at. */
let chosen = '';
const focusedKey = () => (document.activeElement?.closest('#thread') ? chosen : '');

at('thread').addEventListener('focusin', (event) => {
  const node = event.target instanceof Element ? event.target.closest('article') : null;
  if (node) chosen = thread.keyOf(node) ?? '';
});
at('thread').addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const message = room.messages.find(({ key }) => key === focusedKey());
  if (['ArrowUp', 'ArrowDown', 'Home', 'End'].includes(event.key)) walk(event.key);
  else if (event.key === 'Escape') text.focus();
  else if (event.key.toLowerCase() === 'r' && message) replyTo(message);
  else return;
  event.preventDefault();
});
text.addEventListener('keydown', (event) => {
  if (event.isComposing) return;
  if (event.key === 'Enter' && !event.shiftKey) submit();
  else if (event.key === 'Escape' && about) replyTo(undefined);
  else if (event.key === 'ArrowUp' && text.value === '' && !event.shiftKey) walk('ArrowUp');
  else return;
  event.preventDefault();
});
text.addEventListener('input', () => {
  keepDraft();
  measure();
  room.typed(text.value.trim() !== '');
});
at('composer').addEventListener('submit', (event) => { event.preventDefault(); submit(); });
at('attach').addEventListener('click', () => get('choose', HTMLInputElement).click());
get('choose', HTMLInputElement).addEventListener('change', () => {
  const input = get('choose', HTMLInputElement);
  add([...input.files ?? []]);
  input.value = '';
});
receive(at('veil'), add, say);
at('unquote').addEventListener('click', () => { replyTo(undefined); text.focus(); });
at('down').addEventListener('click', () => { thread.toEnd(); room.markRead(); });
at('people').addEventListener('click', () => {
  get('name', HTMLInputElement).value = room.me?.name ?? '';
  at('naming-said').textContent = '';
  room.look();
  drawMembers();
  sheet.showModal();
});
at('done').addEventListener('click', () => sheet.close());
sheet.addEventListener('click', (event) => { if (event.target === sheet) sheet.close(); });
at('naming').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = get('name', HTMLInputElement).value.trim();
  if (name === '') return;
  room.rename(name).then(() => { at('naming-said').textContent = 'Saved. The others see it from now on.'; }, (error) => {
    at('naming-said').textContent = error instanceof KithError ? error.message : String(error);
  });
});

/** Others' messages that came since the last drawing. @type {Message[]} */
let arrived = [];
let asked = false;

/** Draws before the next frame, once for all that changed until then: thousands may come in a burst. */
function drawSoon() {
  if (asked) return;
  asked = true;
  const now = () => {
    if (!asked) return;
    asked = false;
    const fresh = arrived;
    arrived = [];
    take(fresh);
    draw();
  };
  requestAnimationFrame(now);
  // There are no frames while the page is hidden, and its title counts on.
  setTimeout(now, HIDDEN_DRAW);
}

/** What others' new messages change besides the thread. @param {Message[]} fresh */
function take(fresh) {
  const [first] = fresh;
  const last = fresh.at(-1);
  if (!first || !last) return;
  if (seen()) room.markRead();
  else if (marker >= first.serial) marker = Math.max(room.read, first.serial - 1);
  say(fresh.length === 1 ? `${room.name(last.author)}: ${summary(last).slice(0, 200)}` : `${fresh.length.toLocaleString()} new messages`);
}

room.addEventListener('change', drawSoon);
room.addEventListener('message', (event) => {
  const message = /** @type {CustomEvent<Message>} */ (event).detail;
  if (message.author !== room.me?.id) arrived.push(message);
  drawSoon();
});
addEventListener('focus', () => { if (seen()) room.markRead(); });
addEventListener('blur', () => { if (room.unread().length === 0) marker = Infinity; });
document.addEventListener('visibilitychange', () => {
  if (seen()) room.markRead();
  if (!document.hidden) room.look();
});
// Words about waiting, “today”, and the end of typing come with time alone.
const began = Date.now();
let today = dayOf(began);
setInterval(() => {
  if (document.hidden) return;
  if (today !== dayOf(Date.now()) || room.outbox.length > 0) {
    today = dayOf(Date.now());
    draw();
  }
  drawBlank();
  drawBanner();
  drawPresence();
}, 500);

const draft = JSON.parse(sessionStorage.getItem('draft') ?? '{}');
// What was written before this ran is newer than the draft.
text.value ||= draft.text ?? '';
if (draft.files?.length > 0) tray.put(draft.files.map(brought));
text.dataset.ready = '';
early = 'sent' in text.dataset;
measure();
await room.start();
draw();
if (early) submit();
if (thread.top < NEAR_TOP) void room.loadOlder();
if (draft.about) replyTo(draft.about);
// Who comes for the first time has missed nothing.
if (room.read > 0 && room.unread().length > 0) {
  marker = room.read;
  draw();
  thread.reveal('new', 'center');
} else {
  room.markRead();
}
text.focus();
if (room.state === 'ready') void takeBrought();
