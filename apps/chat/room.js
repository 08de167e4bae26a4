// What is known of the room: its messages in the order that is the same for everyone, its people,
// who is there, and what waits to be sent. No DOM: `main.js` draws it at each `change`.
import { blobs, connection, KithError, me, space } from '/.kith/kith.js';

import { lookOf } from './files.js';
import { dayOf } from './words.js';

/** @import { Entry, FileState } from '/.kith/kith.js' */
/** @import { MessageFile } from './files.js' */

/** Messages that are read at first. Two screens of a large display, with room to scroll. */
const FIRST_READ = 200;
/** Messages that are read at once when older ones are wanted. */
const NEXT_READ = 500;
/** Longest message, in characters. The rest of an entry's 128 KiB is for what surrounds it. */
export const LONGEST = 16_000;
/** Characters of a message that a reply repeats. */
const QUOTED = 160;
/** Files of one message, at most: as many as an entry can name. */
export const MOST_FILES = 64;
/** The largest picture that is fetched without being asked for, in bytes: people send photographs of this size. */
const FETCHED = 20_000_000;
/** The largest side of a picture that is believed, in px. */
const LARGEST_SIDE = 50_000;
/** How long someone counts as typing after the last sign of it, in ms. */
const TYPING_LASTS = 5_000;
/** How soon is asked again who someone is whose name did not arrive yet, in ms. */
const WHO_AGAIN = 1_000;
/** How often others are told that one is typing, in ms. */
const TYPING_AGAIN = 3_000;

/**
 * @typedef {{ author: string, index: number, text: string }} Quote
 * @typedef {object} Message
 * @property {string} key
 * @property {string} author
 * @property {number} index Its index in its author's log; 0 while it waits.
 * @property {number} serial The order of arrival here; Infinity while it waits.
 * @property {number} lamport
 * @property {number} time
 * @property {number} day The day of that time, in the person's time zone.
 * @property {string} text
 * @property {MessageFile[]} files
 * @property {Quote} [re]
 * @property {'sending' | 'failed'} [waits]
 * @property {KithError} [error]
 * @property {boolean} [lost] Its files are gone with the page that had them.
 * @property {AbortController} [sending]
 */

/** What an entry says, where it is a message. Others wrote it, so nothing of it is taken on trust. @param {Entry} entry @returns {Message | undefined} */
function parse({ author, index, serial, lamport, time, body, attachments }) {
  const text = typeof body?.text === 'string' ? body.text : '';
  if (text.trim() === '' && (attachments.length === 0 || body === null || typeof body !== 'object')) return undefined;
  const files = attachments.map((file, at) => ({ ...file, ...sides(body?.look?.[at]) }));
  const message = { key: `${author}/${index}`, author, index, serial, lamport, time, day: dayOf(time), text, files };
  const { re } = body;
  if (typeof re?.author !== 'string' || typeof re.text !== 'string' || !Number.isSafeInteger(re.index)) return message;
  return { ...message, re: { author: re.author, index: re.index, text: re.text.slice(0, QUOTED) } };
}

/** A picture's sides, as its sender measured them. @param {unknown} look */
function sides(look) {
  if (!Array.isArray(look)) return {};
  const [width, height] = look;
  const is = (/** @type {unknown} */ side) => Number.isInteger(side) && Number(side) > 0 && Number(side) <= LARGEST_SIDE;
  return is(width) && is(height) ? { width, height } : {};
}

/** Whether two messages of oneself are the same one. @param {Message} a @param {Message} b */
const isSame = (a, b) => a.text === b.text && a.files.length === b.files.length && a.files.every(({ hash }, at) => hash === b.files[at]?.hash);

/** @param {Message} a @param {Message} b */
const inOrder = (a, b) => a.lamport - b.lamport || (a.author < b.author ? -1 : a.author > b.author ? 1 : a.index - b.index);

export class Room extends EventTarget {
  /** @type {'loading' | 'ready' | 'failed' | 'refused'} */ state = 'loading';
  /** @type {KithError | undefined} */ error;
  /** @type {import('/.kith/kith.js').Me | undefined} */ me;
  /** In order. @type {Message[]} */ messages = [];
  /** One's own that wait or failed, oldest first. @type {Message[]} */ outbox = [];
  /** @type {Map<string, import('/.kith/kith.js').Member>} */ members = new Map();
  /** @type {Set<string>} */ online = new Set();
  /** How far files are, by their hashes. @type {Map<string, FileState>} */ files = new Map();
  /** Whether that was told. */ filesKnown = false;
  /** Asked for without the person. @type {Set<string>} */ #wanted = new Set();
  /** Until when someone counts as typing. @type {Map<string, number>} */ typing = new Map();
  /** Whether older messages may be had. */ older = false;
  /** Serial of the newest message that was seen by the person. */ read = Number(localStorage.getItem('read') ?? 0);
  /** @type {Set<string>} */ #keys = new Set();
  #first = Infinity;
  /** The highest serial here. */ #newest = 0;
  #loadingOlder = false;
  #saidTyping = 0;
  #asked = false;
  #asking = false;

  constructor() {
    super();
    connection.addEventListener('state', () => {
      if (connection.state === 'refused') this.state = 'refused';
      this.#changed();
    });
  }

  /** Reads what is there, then follows the room. */
  async start() {
    this.state = 'loading';
    this.error = undefined;
    this.#changed();
    try {
      const [self, members, entries] = await Promise.all([
        me(), space.members(), space.read({ before: Number.MAX_SAFE_INTEGER, limit: FIRST_READ }),
      ]);
      this.me = self;
      this.#know(members);
      this.#take(entries);
      this.#first = entries[0]?.serial ?? 0;
      // A page can be shorter than what was asked for: only an empty one is the last.
      this.older = entries.length > 0;
      this.state = 'ready';
      this.#restore();
      this.#changed();
      void this.#follow(this.#entries(entries.at(-1)?.serial ?? 0));
      void this.#follow(this.#presence());
      void this.#follow(this.#messages());
      void this.#follow(this.#files());
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Reads a page of older messages. */
  async loadOlder() {
    if (!this.older || this.#loadingOlder) return;
    this.#loadingOlder = true;
    try {
      const entries = await space.read({ before: this.#first, limit: NEXT_READ });
      this.older = entries.length > 0;
      this.#first = entries[0]?.serial ?? this.#first;
      this.#take(entries);
      this.#changed();
    } catch {
      // The next scroll asks again.
    } finally {
      this.#loadingOlder = false;
    }
  }

  /** @param {string} id */
  name(id) {
    return this.members.get(id)?.name ?? 'Someone';
  }

  /** @param {string} text @param {Quote} [about] @param {MessageFile[]} [files] */
  send(text, about, files = []) {
    /** @type {Message} */
    const message = {
      key: `out/${crypto.randomUUID()}`, author: this.me?.id ?? '', index: 0, serial: Infinity, lamport: Infinity,
      time: Date.now(), day: dayOf(Date.now()), text, files, waits: 'sending',
    };
    if (about) message.re = { author: about.author, index: about.index, text: about.text.slice(0, QUOTED) };
    this.outbox.push(message);
    this.#saidTyping = 0;
    void this.#deliver(message);
  }

  /** @param {string} key */
  retry(key) {
    const message = this.outbox.find((one) => one.key === key);
    if (message?.waits === 'failed' && !message.lost) void this.#deliver(message);
  }

  /** @param {string} key @returns {Message | undefined} what it was */
  discard(key) {
    const message = this.outbox.find((one) => one.key === key);
    message?.sending?.abort();
    this.outbox = this.outbox.filter((one) => one.key !== key);
    this.#keep();
    this.#changed();
    return message;
  }

  /** Has a picture fetched that the person looks at. @param {MessageFile} file */
  want({ hash, size }) {
    const stage = this.files.get(hash)?.stage ?? 'absent';
    if (!this.filesKnown || stage !== 'absent' || size > FETCHED || this.#wanted.has(hash)) return;
    this.#wanted.add(hash);
    blobs.fetch(hash).catch(() => this.#wanted.delete(hash));
  }

  /** Tells the others, now and then, that one is typing. @param {boolean} typing */
  typed(typing) {
    const now = Date.now();
    if (connection.state !== 'open' || (typing ? now - this.#saidTyping < TYPING_AGAIN : this.#saidTyping === 0)) return;
    this.#saidTyping = typing ? now : 0;
    space.send({ typing }).catch(() => {});
  }

  /** @param {string} name */
  async rename(name) {
    await me.setName(name);
    if (this.me) this.me = { ...this.me, name };
    await this.#askMembers();
    space.send({ renamed: true }).catch(() => {});
  }

  /** Remembers that everything here has been seen. */
  markRead() {
    if (this.#newest <= this.read) return;
    this.read = this.#newest;
    localStorage.setItem('read', String(this.read));
    this.#changed();
  }

  /** Others' messages that were not seen yet. */
  unread() {
    return this.messages.filter((one) => one.serial > this.read && one.author !== this.me?.id);
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }

  /** @param {unknown} error */
  #fail(error) {
    const parts = error instanceof KithError ? error : new KithError({ code: 'internal', what: 'This page failed.', why: String(error) });
    this.state = parts.code === 'refused' || parts.code === 'space_left' ? 'refused' : 'failed';
    this.error = parts;
    this.#changed();
  }

  /** @param {Promise<void>} loop */
  async #follow(loop) {
    try {
      await loop;
    } catch (error) {
      this.#fail(error);
    }
  }

  /** @param {number} after */
  async #entries(after) {
    for await (const entry of space.watch({ after })) {
      const [message] = this.#take([entry]);
      if (!message) continue;
      this.typing.delete(entry.author);
      this.#meet(entry.author);
      this.#changed();
      this.dispatchEvent(new CustomEvent('message', { detail: message }));
    }
  }

  async #presence() {
    for await (const ids of space.presence()) {
      this.online = new Set(ids);
      for (const id of this.typing.keys()) if (!this.online.has(id)) this.typing.delete(id);
      void this.#askMembers();
      this.#changed();
    }
  }

  async #messages() {
    for await (const { from, body } of space.messages()) {
      if (body?.renamed === true) void this.#askMembers();
      if (typeof body?.typing !== 'boolean') continue;
      this.#meet(from);
      if (body.typing) this.typing.set(from, Date.now() + TYPING_LASTS);
      else this.typing.delete(from);
      this.#changed();
      if (body.typing) setTimeout(() => this.#stale(from), TYPING_LASTS);
    }
  }

  async #files() {
    for await (const states of blobs.watch()) {
      for (const state of states) this.files.set(state.hash, state);
      this.filesKnown = true;
      this.#changed();
    }
  }

  /** @param {string} id */
  #stale(id) {
    if ((this.typing.get(id) ?? Infinity) > Date.now()) return;
    this.typing.delete(id);
    this.#changed();
  }

  /** Asks who is here, one question at a time. */
  async #askMembers() {
    this.#asked = true;
    if (this.#asking) return;
    this.#asking = true;
    while (this.#asked) {
      this.#asked = false;
      this.#know(await space.members().catch(() => []));
    }
    this.#asking = false;
    this.#changed();
  }

  /** @param {import('/.kith/kith.js').Member[]} members */
  #know(members) {
    if (members.length > 0) this.members = new Map(members.map((member) => [member.id, member]));
    // Someone's name can come after they do.
    if ([...this.online, ...this.typing.keys()].some((id) => !this.members.has(id))) setTimeout(() => void this.#askMembers(), WHO_AGAIN);
  }

  /** @param {string} id */
  #meet(id) {
    if (!this.members.has(id)) void this.#askMembers();
  }

  /** Asks again who is here: names change without a word. */
  look() {
    if (this.state === 'ready') void this.#askMembers();
  }

  /** Puts entries in their places. @param {Entry[]} entries @returns {Message[]} those that are messages and new */
  #take(entries) {
    const fresh = [];
    const waited = this.outbox.length;
    for (const entry of entries) {
      const message = parse(entry);
      if (!message || this.#keys.has(message.key)) continue;
      this.#keys.add(message.key);
      fresh.push(message);
      // Its echo has done its work. The answer to the append may come after this.
      const echo = message.author === this.me?.id
        && this.outbox.find((one) => isSame(one, message) && one.time <= message.time + 60_000);
      if (echo) this.outbox = this.outbox.filter((one) => one !== echo);
    }
    if (fresh.length === 0) return fresh;
    const last = this.messages.at(-1);
    const sorted = fresh.toSorted(inOrder);
    this.messages.push(...sorted);
    if (last && sorted[0] && inOrder(last, sorted[0]) > 0) this.messages.sort(inOrder);
    this.#newest = sorted.reduce((most, { serial }) => Math.max(most, serial), this.#newest);
    if (waited !== this.outbox.length) this.#keep();
    return fresh;
  }

  /** @param {Message} message */
  async #deliver(message) {
    message.waits = 'sending';
    message.error = undefined;
    message.sending = new AbortController();
    const { signal } = message.sending;
    this.#keep();
    this.#changed();
    try {
      const refs = await Promise.all(message.files.map((file) => this.#upload(file, signal)));
      const { text, re } = message;
      const look = await Promise.all(message.files.map(lookOf));
      signal.throwIfAborted();
      this.#keep();
      const body = { text, ...re && { re }, ...look.some(Boolean) && { look } };
      await space.append(body, { attachments: refs });
      // The echo goes when the entry itself comes by the watch.
    } catch (error) {
      if (signal.aborted) return;
      // One that can't be sent holds the others back: they end with it, and begin again together.
      message.sending.abort();
      message.waits = 'failed';
      if (error instanceof KithError) message.error = error;
      this.#keep();
      this.#changed();
    }
  }

  /** Hands a file to the node, unless that was done. @param {MessageFile} file @param {AbortSignal} signal */
  async #upload(file, signal) {
    if (file.hash === '' && file.blob) {
      file.sent = 0;
      const onProgress = (/** @type {{ sent: number }} */ { sent }) => { file.sent = sent; this.#changed(); };
      Object.assign(file, await blobs.add(file.blob, { name: file.name, type: file.type, onProgress, signal }));
    }
    return file;
  }

  /** What waits survives a reload of the page. */
  #keep() {
    sessionStorage.setItem('outbox', JSON.stringify(this.outbox.map(({ key, time, text, re, files }) => (
      { key, time, text, re, files: files.map(({ hash, name, type, size, folder, url, width, height }) => ({ hash, name, type, size, folder, url, width, height })) }))));
  }

  /** Takes up what waited before the reload: sent already, or to be sent again by the person. */
  #restore() {
    const kept = /** @type {Message[]} */ (JSON.parse(sessionStorage.getItem('outbox') ?? '[]'));
    const mine = this.messages.filter(({ author }) => author === this.me?.id);
    for (const { key, time, text, re, files = [] } of kept) {
      const lost = files.some(({ hash }) => hash === '');
      /** @type {Message} */
      const message = {
        key, author: this.me?.id ?? '', index: 0, serial: Infinity, lamport: Infinity, time, day: dayOf(time), text, re, files, lost, waits: 'failed',
        error: new KithError(lost
          ? { code: 'disconnected', what: 'The page was closed before its files were sent.', todo: 'Add them again.' }
          : { code: 'disconnected', what: 'The page was closed before kith answered.' }),
      };
      if (!this.outbox.some((one) => one.key === key) && !mine.some((one) => isSame(one, message) && one.time >= time - 60_000)) this.outbox.push(message);
    }
    this.#keep();
  }
}
