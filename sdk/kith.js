// kith.js: what a page of a kith app uses to talk to its person's node.
//
//   import { app, blobs, me, space, connection } from '/.kith/kith.js';
//
//   await space.append({ text: 'Hello' });          // kept, signed, safe on disk when it returns
//   for await (const entry of space.watch()) …      // everything so far, then what comes
//
//   const file = await blobs.add(input.files[0]);   // of any size, kept by the node
//   await space.append({ text: 'Look' }, { attachments: [file] });
//   image.src = blobs.url(entry.attachments[0]);    // a film plays while it still comes
//
// A page sees one space: the one that its origin was made for. All calls wait while the node is
// away and go on when it is back; `connection` tells how that stands. Every call and every iterator
// takes an AbortSignal: a call then rejects with the signal's reason, an iterator ends.

import { connection, KithError } from './connection.js';

export { app } from './app.js';
export { blobs } from './blobs.js';
export { connection, Connection, KithError } from './connection.js';

/** @import * as api from './kith-api.d.ts' */
/** @typedef {api.Me} Me */
/** @typedef {api.Member} Member */
/** @typedef {api.Appended} Appended */
/** @typedef {import('./blobs.js').FileRef} FileRef */
/** @typedef {import('./blobs.js').FileState} FileState */
/** @typedef {import('./blobs.js').FolderFile} FolderFile */
/** @typedef {import('./connection.js').State} State */
/** @typedef {api.Attach} Attach */
/** @typedef {api.Draft} Draft */

/**
 * An entry of a log: as the node tells it, with the body as a value. `body` is the JSON value or the
 * Uint8Array that was appended, and null where it can't be read; `attachments` are the files that it names.
 * @typedef {Omit<api.Entry, 'body'> & { body: any }} Entry
 */

/** @param {unknown} value @returns {api.Body} */
function encode(value) {
  if (value instanceof Uint8Array) {
    let text = '';
    for (let at = 0; at < value.length; at += 4096) text += String.fromCharCode(...value.subarray(at, at + 4096));
    return { bytes: btoa(text).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '') };
  }
  if (value === undefined) throw new KithError({ code: 'invalid_params', what: 'There is nothing to say.', why: 'The value is undefined.' });
  return { json: value };
}

/** @param {api.Body | null} body @returns {any} */
function decode(body) {
  if (body === null) return null;
  if ('json' in body) return body.json;
  return Uint8Array.from(atob(body.bytes.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
}

/** @param {api.Entry} entry @returns {Entry} */
const plain = (entry) => ({ ...entry, body: decode(entry.body) });

/** What two entries with the same files have alike. @param {{ attachments?: Attach[] }} entry */
const filesOf = ({ attachments = [] }) => JSON.stringify(attachments.map(({ hash, name, type = '' }) => [hash, name, type]));

/**
 * Who this page's person is in this space.
 * @param {{ signal?: AbortSignal }} [options]
 */
export async function me(options) {
  return connection.call('me', {}, options);
}

/**
 * Sets the name that others in this space see: 1 to 64 bytes.
 * @param {string} name @param {{ signal?: AbortSignal }} [options]
 */
me.setName = async (name, options) => {
  await connection.call('me.setName', { name }, options);
};

/** Appends whose answer was lost are looked up in one's own log before they are sent again, so that
 * each is there once. */
const appends = {
  /** @type {Promise<string> | undefined} */ self: undefined,
  /** The highest serial known. @type {number | undefined} */ seen: undefined,
  /** Serials that a caller was told. @type {Set<number>} */ claimed: new Set(),
  underWay: 0,

  /** @param {api.Append} params @param {number} after @param {AbortSignal} [signal] */
  async find(params, after, signal) {
    const author = await (this.self ??= me().then(({ id }) => id).finally(() => { this.self = undefined; }));
    for (;;) {
      const { entries } = await connection.call('space.read', { after, limit: 1_000, kind: params.kind }, { signal });
      for (const entry of entries) {
        const same = entry.author === author && filesOf(entry) === filesOf(params)
          && JSON.stringify(entry.body) === JSON.stringify(params.body);
        if (same && !this.claimed.has(entry.serial)) return { serial: entry.serial, index: entry.index, time: entry.time };
      }
      const last = entries.at(-1);
      if (!last) return undefined;
      after = last.serial;
    }
  },

  /** @param {api.Append} params @param {AbortSignal} [signal] @returns {Promise<api.Appended>} */
  async append(params, signal) {
    this.underWay++;
    try {
      this.seen ??= (await connection.call('space.read', { after: Number.MAX_SAFE_INTEGER, limit: 1 }, { signal })).max_serial;
      const before = this.seen;
      for (;;) {
        const done = await connection.call('space.append', params, { signal }).catch((error) => {
          if (!(error instanceof KithError && error.code === 'disconnected') || connection.state === 'closed') throw error;
        }) ?? await this.find(params, before, signal);
        if (!done) continue;
        this.claimed.add(done.serial);
        this.seen = Math.max(this.seen ?? 0, done.serial);
        return done;
      }
    } finally {
      if (--this.underWay === 0) this.claimed.clear();
    }
  },
};

/** The space of this page. */
export const space = {
  /**
   * Appends to one's own log. Returns once it is safe on disk. While the node is away it waits; it is
   * never written twice.
   * @param {unknown} value Any JSON value, or a Uint8Array. 128 KiB at most.
   * @param {object} [options]
   * @param {Attach[]} [options.attachments] Files that belong to it, 64 at most: as `blobs.add` or an
   *   entry of this space gave them. While an entry names a file, the people here keep it.
   * @param {api.EntryKind} [options.kind] For webxdc.js.
   * @param {AbortSignal} [options.signal]
   * @returns {Promise<api.Appended>} Its serial, its index in one's own log, its time.
   */
  async append(value, { kind = 'app', attachments = [], signal } = {}) {
    /** @type {api.Append} */ const params = { body: encode(value), kind };
    if (attachments.length) params.attachments = attachments.map(({ hash, name, type }) => ({ hash, name, type }));
    return appends.append(params, signal);
  },

  /**
   * Reads entries, in the order of their serials: the order in which they arrived at this node.
   * @param {object} [options]
   * @param {number} [options.after] Only higher serials than this one.
   * @param {number} [options.before] Only lower ones; then the newest of these.
   * @param {number} [options.limit] At most so many: 100 where it is left out, 1,000 at most.
   * @param {api.EntryKind} [options.kind] `app` where it is left out.
   * @param {AbortSignal} [options.signal]
   * @returns {Promise<Entry[]>}
   */
  async read({ signal, kind = 'app', ...range } = {}) {
    const { entries } = await connection.call('space.read', { ...range, kind }, { signal });
    return entries.map(plain).sort((a, b) => a.serial - b.serial);
  },

  /**
   * Entries after a serial, then those to come, oneself's too. Misses none, whatever happens in between.
   * @param {{ after?: number, kind?: api.EntryKind, signal?: AbortSignal }} [options]
   * @returns {AsyncGenerator<Entry, void, void>}
   */
  async *watch({ after = 0, kind = 'app', signal } = {}) {
    for await (const event of connection.subscribe(() => ({ to: 'entries', after, kind }), { signal })) {
      if (event.type !== 'entry') continue;
      after = event.entry.serial;
      yield plain(event.entry);
    }
  },

  /**
   * The people of this space, present or not.
   * @param {{ signal?: AbortSignal }} [options]
   */
  async members(options) {
    return (await connection.call('space.members', {}, options)).members;
  },

  /**
   * Who is online, oneself left out: the ids at once, and again whenever someone comes or goes.
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {AsyncGenerator<string[], void, void>}
   */
  async *presence({ signal } = {}) {
    for await (const event of connection.subscribe(() => ({ to: 'presence' }), { signal })) {
      if (event.type === 'presence') yield event.online;
    }
  },

  /**
   * Sends a message that is not kept to those who are online now.
   * @param {unknown} value Any JSON value, or a Uint8Array. 128 KiB at most.
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<number>} To how many it went.
   */
  async send(value, options) {
    return (await connection.call('space.send', { body: encode(value) }, options)).to;
  },

  /**
   * Messages that others send, from now on.
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {AsyncGenerator<{ from: string, body: any }, void, void>}
   */
  async *messages({ signal } = {}) {
    for await (const event of connection.subscribe(() => ({ to: 'messages' }), { signal, resumes: false })) {
      if (event.type === 'message') yield { from: event.from, body: decode(event.body) };
    }
  },

  /**
   * What the person brought here from another app, to be changed and sent: a text, and files that no entry
   * names yet. Each is told once; null where there is none. Only kith's own Chat is brought any.
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<Draft | null>}
   */
  async draft(options) {
    return (await connection.call('space.draft', {}, options)).draft;
  },
};
