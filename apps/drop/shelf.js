// What is known of the space: what was dropped and by whom, how far each file is here, who is there
// and who has what. No DOM: `main.js` draws it at each `change`, and rows at a change of their file.
import { blobs, connection, KithError, me, space } from '/.kith/kith.js';

/** @import { Entry, FileState } from '/.kith/kith.js' */

/** Entries that are read at once. */
const READ = 200;
/** Files of others up to this size come by themselves while the page is open, in bytes. */
export const BY_ITSELF = 100_000_000;
/** What comes by itself at most, from one opening of the page to the next, in bytes. */
const BY_ITSELF_IN_ALL = 2_000_000_000;
/** Files that the page has fetched by itself: how many are asked for at once. */
const ASKED_AT_ONCE = 8;
/** After this time is asked again where the node fetches as many files as it can, in ms. */
const ASK_AGAIN = 2_000;
/** Names and paths that an entry may say, in characters: as many as a folder of kith's takes. */
const LONGEST = 1_024;
/** How soon is asked again who someone is whose name did not arrive yet, in ms. */
const WHO_AGAIN = 1_000;
/** How often others are told what is here, in ms. */
const TELL_AGAIN = 1_000;
/** Files of which others are told, the newest: 64 bytes each, of the 128 KiB of a message. */
const TOLD = 1_500;
/** Characters of a hash by which others are told of a file. */
const SHORT = 16;
/** Files that were removed here and are not to come again by themselves: how many are remembered. */
const REMEMBERED = 2_000;

/**
 * A file or a folder, as one entry has it.
 * @typedef {object} Item
 * @property {string} key
 * @property {string} hash
 * @property {string} name
 * @property {string} path Where it stood in a folder that was dropped; else its name.
 * @property {number} size
 * @property {string} type
 * @property {boolean} folder
 * @property {{ size: number, files: number } | undefined} total What is in a folder, as its author says.
 * @property {string} url
 * @property {string} author
 *
 * What was dropped at once.
 * @typedef {object} Group
 * @property {string} key
 * @property {string} author
 * @property {number} time
 * @property {number} serial Of its newest entry: the order of arrival here.
 * @property {string} folder The name of the folder that was dropped, or nothing.
 * @property {Item[]} items
 */

/** @param {unknown} text @returns {text is string} */
const isName = (text) => typeof text === 'string' && text !== '' && text.length <= LONGEST;

/** @param {any} said */
const isTotal = (said) => Number.isSafeInteger(said?.size) && said.size >= 0 && Number.isSafeInteger(said?.files) && said.files >= 0;

/** What an entry drops, where it does. Others wrote its body, so nothing of it is taken on trust. @param {Entry} entry */
function parse({ author, index, serial, time, body, attachments }) {
  if (!Array.isArray(attachments) || attachments.length === 0) return undefined;
  const said = typeof body === 'object' && body !== null && !(body instanceof Uint8Array) ? body : {};
  const paths = Array.isArray(said.paths) ? said.paths : [];
  const totals = Array.isArray(said.totals) ? said.totals : [];
  /** @type {Item[]} */
  const items = attachments.map((file, at) => ({
    key: `${author}/${index}/${at}`, author, hash: file.hash, name: file.name, size: file.size, type: file.type, folder: file.folder, url: file.url,
    path: isName(paths[at]) ? paths[at] : file.name,
    total: file.folder && isTotal(totals[at]) ? { size: totals[at].size, files: totals[at].files } : undefined,
  }));
  const folder = isName(said.folder) ? said.folder : '';
  const group = isName(said.group) ? `${author}/${said.group}` : `${author}/${index}`;
  return { key: group, author, time, serial, folder, items };
}

export class Shelf extends EventTarget {
  /** @type {'loading' | 'ready' | 'failed' | 'refused'} */ state = 'loading';
  /** @type {KithError | undefined} */ error;
  /** @type {import('/.kith/kith.js').Me | undefined} */ me;
  /** Newest first. @type {Group[]} */ groups = [];
  /** Whether there may be older ones. */ older = false;
  /** How far files are here; those that are not in it are absent. @type {Map<string, FileState>} */ files = new Map();
  /** @type {Map<string, import('/.kith/kith.js').Member>} */ members = new Map();
  /** @type {Set<string>} */ online = new Set();
  /** What others said they have: of each, bytes by the beginning of a hash; -1 where it is complete. @type {Map<string, Map<string, number>>} */ elsewhere = new Map();
  /** Whether small files come by themselves. */ byItself = localStorage.getItem('by-itself') !== 'no';
  /** @type {Map<string, Group>} */ #groups = new Map();
  /** @type {Set<string>} */ #entries = new Set();
  /** @type {Map<string, Set<() => void>>} */ #watchers = new Map();
  /** @type {Set<string>} */ #removed = new Set(JSON.parse(localStorage.getItem('removed') ?? '[]'));
  #first = Infinity;
  #cameByItself = 0;
  /** Hashes of files that are to come by themselves. @type {Set<string>} */ #queue = new Set();
  #askers = 0;
  #statesKnown = false;
  #asking = false;
  #asked = false;
  #telling = false;

  constructor() {
    super();
    connection.addEventListener('state', () => {
      if (connection.state === 'refused') this.state = 'refused';
      this.#changed();
    });
  }

  /** Reads what is there, then follows the space. */
  async start() {
    this.state = 'loading';
    this.error = undefined;
    this.#changed();
    try {
      const [self, members, entries] = await Promise.all([me(), space.members(), space.read({ before: Number.MAX_SAFE_INTEGER, limit: READ })]);
      this.me = self;
      this.#know(members);
      this.#take(entries);
      this.#first = entries[0]?.serial ?? 0;
      // A page can be shorter than what was asked for: only an empty one is the last.
      this.older = (await space.read({ before: this.#first, limit: 1 })).length > 0;
      this.state = 'ready';
      this.#changed();
      void this.#follow(this.#watchEntries(entries.at(-1)?.serial ?? 0));
      void this.#follow(this.#watchFiles());
      void this.#follow(this.#watchPresence());
      void this.#follow(this.#watchMessages());
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Reads older ones, until there is something to show. */
  async loadOlder() {
    for (let shown = false; this.older && !shown;) {
      const entries = await space.read({ before: this.#first, limit: READ });
      this.older = entries.length > 0;
      this.#first = entries[0]?.serial ?? this.#first;
      shown = this.#take(entries).length > 0;
    }
    this.#changed();
  }

  /** How large a file is; a folder, with all its files, as far as that is known. @param {Item} item */
  sizeOf({ hash, size, folder, total }) {
    if (!folder) return size;
    const state = this.files.get(hash);
    const isKnown = state && ['complete', 'fetching', 'paused'].includes(state.stage) && state.size > 0;
    return isKnown ? state.size : total?.size;
  }

  /** Someone's name; oneself is “You”. @param {string} id */
  name(id) {
    return id === this.me?.id ? 'You' : this.members.get(id)?.name || `Someone (${id.slice(0, 8)})`;
  }

  /** Tells of each change of one file. @param {string} hash @param {() => void} changed */
  watch(hash, changed) {
    const all = this.#watchers.get(hash) ?? new Set();
    this.#watchers.set(hash, all.add(changed));
    return () => {
      all.delete(changed);
      if (all.size === 0) this.#watchers.delete(hash);
    };
  }

  /** How a file stands here. @param {string} hash */
  stage(hash) {
    return this.files.get(hash)?.stage ?? 'absent';
  }

  /** Who else has all of a file, as far as is known. @param {Item} item */
  holders({ hash, author }) {
    const short = hash.slice(0, SHORT);
    const all = [...this.elsewhere].filter(([id, has]) => this.online.has(id) && has.get(short) === -1).map(([id]) => id);
    // Who says nothing, having no page open, has what they dropped.
    if (author !== this.me?.id && !all.includes(author) && !(this.online.has(author) && this.elsewhere.has(author))) all.unshift(author);
    return all;
  }

  /** To whom a file goes now, and how much of it they have. @param {Item} item */
  receivers({ hash }) {
    const short = hash.slice(0, SHORT);
    return [...this.elsewhere].flatMap(([id, has]) => {
      const bytes = has.get(short) ?? -1;
      return this.online.has(id) && bytes >= 0 ? [{ id, bytes }] : [];
    });
  }

  /** @param {Item[]} items */
  async fetch(items) {
    for (const { hash } of items) {
      if (this.#removed.delete(hash)) this.#keepRemoved();
      await blobs.fetch(hash);
    }
  }

  /** @param {Item} item */
  async pause({ hash }) {
    await blobs.pause(hash);
  }

  /** Deletes what is here of a file. It stays with the others. @param {Item} item */
  async remove({ hash }) {
    this.#removed.add(hash);
    this.#keepRemoved();
    await blobs.drop(hash);
    this.#note(hash, 'absent', 0);
  }

  /** @param {boolean} wanted */
  setByItself(wanted) {
    this.byItself = wanted;
    localStorage.setItem('by-itself', wanted ? 'yes' : 'no');
    this.#changed();
    this.#want(this.groups);
  }

  /** @param {string} name */
  async rename(name) {
    await me.setName(name);
    if (this.me) this.me = { ...this.me, name };
    await this.#askMembers();
    space.send({ renamed: true }).catch(() => {});
  }

  /** What the page itself did to a file. @param {string} hash @param {'absent' | 'complete'} stage @param {number} size */
  #note(hash, stage, size) {
    this.#set([{ hash, size, bytes: size, stage, speed: 0, left: null, from: [], error: null }]);
  }

  /** @param {FileState[]} states */
  #set(states) {
    for (const state of states) {
      this.files.set(state.hash, state);
      for (const changed of this.#watchers.get(state.hash) ?? []) changed();
    }
    this.#tell();
    this.dispatchEvent(new Event('progress'));
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
  async #watchEntries(after) {
    for await (const entry of space.watch({ after })) {
      const fresh = this.#take([entry]);
      if (fresh.length === 0) continue;
      // Who adds a file has it, from this page or another one.
      if (entry.author === this.me?.id) for (const { hash, size, folder } of entry.attachments) if (!this.files.has(hash)) this.#note(hash, 'complete', folder ? 0 : size);
      this.#meet(entry.author);
      this.#changed();
      this.dispatchEvent(new CustomEvent('dropped', { detail: fresh[0] }));
    }
  }

  async #watchFiles() {
    for await (const states of blobs.watch()) {
      this.#set(states);
      if (this.#statesKnown) continue;
      this.#statesKnown = true;
      this.#want(this.groups);
      // The buttons of whole groups go by it, too.
      this.#changed();
    }
  }

  async #watchPresence() {
    for await (const ids of space.presence()) {
      const came = ids.some((id) => !this.online.has(id));
      this.online = new Set(ids);
      for (const id of this.elsewhere.keys()) if (!this.online.has(id)) this.elsewhere.delete(id);
      void this.#askMembers();
      this.#changed();
      if (came) this.#tell();
    }
  }

  async #watchMessages() {
    for await (const { from, body } of space.messages()) {
      if (body?.renamed === true) void this.#askMembers();
      if (!Array.isArray(body?.have)) continue;
      const fresh = !this.elsewhere.has(from);
      /** @type {[string, number][]} */
      const has = body.have.slice(0, TOLD).flatMap((/** @type {any} */ one) => (typeof one?.[0] === 'string' && typeof one[1] === 'number' ? [[one[0].slice(0, SHORT), one[1]]] : []));
      this.elsewhere.set(from, new Map(has));
      if (fresh) this.#tell();
      this.#changed();
    }
  }

  /** Tells who is here what is here, once in a while. */
  #tell() {
    if (this.#telling || this.online.size === 0) return;
    this.#telling = true;
    setTimeout(() => {
      this.#telling = false;
      const have = [...this.files.values()].flatMap(({ hash, stage, bytes }) => (stage === 'complete' ? [[hash.slice(0, SHORT), -1]] : stage === 'fetching' ? [[hash.slice(0, SHORT), bytes]] : []));
      space.send({ have: have.slice(-TOLD) }).catch(() => {});
    }, TELL_AGAIN);
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
    if ([...this.online].some((id) => !this.members.has(id))) setTimeout(() => void this.#askMembers(), WHO_AGAIN);
  }

  /** @param {string} id */
  #meet(id) {
    if (!this.members.has(id)) void this.#askMembers();
  }

  #keepRemoved() {
    localStorage.setItem('removed', JSON.stringify([...this.#removed].slice(-REMEMBERED)));
  }

  /** Has small files of others come. @param {Group[]} groups */
  #want(groups) {
    if (!this.byItself || !this.#statesKnown) return;
    for (const { items, author } of groups) {
      if (author === this.me?.id) continue;
      for (const { hash, size, folder } of items) {
        if (folder || size > BY_ITSELF || this.stage(hash) !== 'absent' || this.#removed.has(hash)) continue;
        if (this.#cameByItself + size > BY_ITSELF_IN_ALL) continue;
        this.#cameByItself += size;
        this.#queue.add(hash);
      }
    }
    while (this.#askers < ASKED_AT_ONCE && this.#askers < this.#queue.size) void this.#ask();
  }

  /** Has the next of the queue fetched, until there is none. */
  async #ask() {
    this.#askers++;
    for (let [hash] = this.#queue; hash !== undefined && this.byItself; [hash] = this.#queue) {
      this.#queue.delete(hash);
      try {
        if (this.stage(hash) === 'absent' && !this.#removed.has(hash)) await blobs.fetch(hash);
      } catch (error) {
        if (!(error instanceof KithError && error.code === 'too_many')) continue;
        this.#queue.add(hash);
        await new Promise((done) => setTimeout(done, ASK_AGAIN));
      }
    }
    this.#askers--;
  }

  /** Puts entries in their places. @param {Entry[]} entries @returns {Group[]} the groups they belong to */
  #take(entries) {
    /** @type {Set<Group>} */ const touched = new Set();
    for (const entry of entries) {
      const name = `${entry.author}/${entry.index}`;
      const parsed = parse(entry);
      if (!parsed || this.#entries.has(name)) continue;
      this.#entries.add(name);
      const old = this.#groups.get(parsed.key);
      const group = old
        ? { ...old, serial: Math.max(old.serial, parsed.serial), time: Math.min(old.time, parsed.time), items: [...old.items, ...parsed.items] }
        : parsed;
      this.#groups.set(group.key, group);
      if (old) touched.delete(old);
      touched.add(group);
    }
    if (touched.size > 0) this.groups = [...this.#groups.values()].sort((a, b) => b.serial - a.serial);
    this.#want([...touched]);
    return [...touched];
  }
}
