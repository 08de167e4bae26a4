// The files of a page's space. Part of kith.js.
import { connection, disconnected, KithError, left, refused } from './connection.js';

/** @import * as api from './kith-api.d.ts' */
/** @typedef {api.FileRef} FileRef */
/** @typedef {api.FileState} FileState */
/** @typedef {api.FolderFileInfo} FolderFile */

/** Files that one page sends to its node at once; the next ones wait. A browser has 6 connections to an origin. */
const MAX_UPLOADS = 3;
/** How often a file is sent whose connection breaks. */
const MAX_TRIES = 5;
/** The longest name of a file, in bytes of UTF-8. */
const MAX_FILE_NAME = 255;

/** Who waits to send a file. */
const uploads = {
  underWay: 0,
  /** @type {Set<() => void>} */ waiting: new Set(),

  /** Waits for a turn. @param {AbortSignal} [signal] */
  async enter(signal) {
    signal?.throwIfAborted();
    if (this.underWay < MAX_UPLOADS) {
      this.underWay++;
      return;
    }
    // The turn is handed over by the one that leaves.
    await /** @type {Promise<void>} */ (new Promise((resolve, reject) => {
      const turn = () => { signal?.removeEventListener('abort', abort); resolve(); };
      const abort = () => { this.waiting.delete(turn); reject(signal?.reason); };
      signal?.addEventListener('abort', abort, { once: true });
      this.waiting.add(turn);
    }));
  },

  leave() {
    const [next] = this.waiting;
    if (!next) {
      this.underWay--;
      return;
    }
    this.waiting.delete(next);
    next();
  },
};

/**
 * Sends a file's bytes. Nothing, where the connection broke.
 * @param {string} url @param {Blob} blob @param {((done: { sent: number, size: number }) => void)} [onProgress] @param {AbortSignal} [signal]
 * @returns {Promise<FileRef | undefined>}
 */
function post(url, blob, onProgress, signal) {
  return new Promise((resolve, reject) => {
    // Of what browsers have, this alone tells how far it is and needs no HTTP/2.
    const request = new XMLHttpRequest();
    const abort = () => { request.abort(); reject(signal?.reason); };
    signal?.addEventListener('abort', abort, { once: true });
    request.upload.onprogress = ({ loaded }) => onProgress?.({ sent: Math.min(loaded, blob.size), size: blob.size });
    request.onloadend = () => {
      signal?.removeEventListener('abort', abort);
      if (signal?.aborted || request.status === 0) return resolve(undefined);
      try {
        const answer = JSON.parse(request.responseText);
        if (request.status === 201) resolve(answer);
        else reject(new KithError(answer));
      } catch {
        // Words for people: the page is refused as a whole.
        reject(request.status === 410 ? left() : refused());
      }
      return undefined;
    };
    request.open('POST', url);
    request.send(blob);
  });
}

/** A name that any system takes as a file's. @param {string} name */
function fileName(name) {
  let clean = (name.split(/[\\/]/).pop() ?? '').replace(/[\x00-\x1f\x7f]/g, '_').toWellFormed();
  if (/^\.{0,2}$/.test(clean)) clean = 'file';
  const bytes = (/** @type {string} */ text) => new TextEncoder().encode(text).length;
  const dot = clean.lastIndexOf('.');
  const end = dot > 0 && clean.length - dot < 20 ? clean.slice(dot) : '';
  let start = [...clean.slice(0, clean.length - end.length)];
  while (bytes(start.join('') + end) > MAX_FILE_NAME) start = start.slice(0, -1);
  return start.join('') + end;
}

/** A media type as kith has it: without parameters, and empty where it is none. @param {string} type */
function mediaType(type) {
  const plain = type.split(';')[0].trim().toLowerCase();
  return /^[a-z0-9][a-z0-9!#$&^_.+-]{0,62}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}$/.test(plain) ? plain : '';
}

/** Resolves when the node is back, or the page is refused. @param {AbortSignal} [signal] */
async function back(signal) {
  // A plain question waits for the connection, and wakes it.
  await connection.call('me', {}, { signal });
}

/** The files of this space. They may have any size: pages have addresses, and no bytes go by the socket. */
export const blobs = {
  /**
   * Hands a file in. It is kept for a day; for good once an entry names it (`space.append`). While the node is
   * away it waits. Three are sent at once, the next ones wait for their turn.
   * @param {Blob | ReadableStream<Uint8Array>} file A File has its name and type; a stream is collected first.
   * @param {object} [options]
   * @param {string} [options.name] Another name. What no file can be called is replaced.
   * @param {string} [options.type] Another media type.
   * @param {(done: { sent: number, size: number }) => void} [options.onProgress] Told as it goes, in bytes.
   * @param {AbortSignal} [options.signal] Aborted, nothing of it is kept.
   * @returns {Promise<FileRef>} For `attachments`, and for `url`.
   */
  async add(file, { name, type, onProgress, signal } = {}) {
    signal?.throwIfAborted();
    const blob = file instanceof Blob ? file : await new Response(file).blob();
    const called = fileName(name ?? (file instanceof File ? file.name : 'file'));
    const url = `/.kith/blobs?${new URLSearchParams({ name: called, type: mediaType(type ?? blob.type) })}`;
    await uploads.enter(signal);
    try {
      for (let tries = 1; ; tries++) {
        const done = await post(url, blob, onProgress, signal);
        if (done) return done;
        signal?.throwIfAborted();
        await blob.slice(0, 1).arrayBuffer().catch(() => {
          throw new KithError({
            code: 'storage', what: `“${called}” can’t be read.`, why: 'It was changed or moved since it was chosen.', todo: 'Choose it again.',
          });
        });
        if (tries === MAX_TRIES) throw disconnected();
        await back(signal);
      }
    } finally {
      uploads.leave();
    }
  },

  /**
   * The address of a file, for `src` and `href` and `fetch`. Bytes that are not here yet are fetched when they are
   * read, first of all. A browser has 6 connections to an origin: of what is still with others, show a few at once.
   * @param {{ url: string } | string} file What `add`, an entry or `files` gave, or a hash.
   * @param {{ download?: boolean }} [options] `download`: saved under its name, not shown.
   * @returns {string}
   */
  url(file, { download = false } = {}) {
    const url = typeof file === 'string' ? `/.kith/blobs/${file}` : file.url;
    return download ? `${url}?download` : url;
  },

  /**
   * How far the files of this space are: at first all of which something is here or wanted, then those that change.
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {AsyncGenerator<FileState[], void, void>}
   */
  async *watch({ signal } = {}) {
    /** What was told and is not absent. @type {Map<string, FileState>} */ const known = new Map();
    let fresh = false;
    const what = () => { fresh = true; return /** @type {const} */ ({ to: 'files' }); };
    for await (const event of connection.subscribe(what, { signal })) {
      if (event.type !== 'files') continue;
      const now = [...event.files];
      if (fresh) {
        // What went while the connection was away.
        fresh = false;
        const there = new Set(now.map(({ hash }) => hash));
        for (const state of known.values()) {
          if (!there.has(state.hash)) now.push({ ...state, bytes: 0, stage: 'absent', speed: 0, left: null, from: [], error: null });
        }
      }
      for (const state of now) {
        if (state.stage === 'absent') known.delete(state.hash);
        else known.set(state.hash, state);
      }
      yield now;
    }
  },

  /**
   * Begins to fetch a file or folder that an entry names, or goes on. It goes on by itself while somebody has it.
   * @param {string} hash @param {{ signal?: AbortSignal }} [options]
   */
  async fetch(hash, options) {
    await connection.call('blobs.fetch', { hash }, options);
  },

  /**
   * Stops fetching. What came is kept.
   * @param {string} hash @param {{ signal?: AbortSignal }} [options]
   */
  async pause(hash, options) {
    await connection.call('blobs.pause', { hash }, options);
  },

  /**
   * Stops fetching, and deletes what is here of it. It may be fetched again, from who has it.
   * @param {string} hash @param {{ signal?: AbortSignal }} [options]
   */
  async drop(hash, options) {
    await connection.call('blobs.drop', { hash }, options);
  },

  /**
   * The files of a folder, in the order of their paths.
   * @param {string} hash
   * @param {{ after?: string, limit?: number, signal?: AbortSignal }} [options] After this path; 100 at a time where
   *   `limit` is left out, 1,000 at most.
   * @returns {Promise<{ files: FolderFile[], more: boolean }>}
   */
  async files(hash, { signal, ...range } = {}) {
    return connection.call('blobs.files', { hash, ...range }, { signal });
  },
};
