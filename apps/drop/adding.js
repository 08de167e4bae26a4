// What the person adds: finds the files of what was dropped, hands them to the node, and says in
// entries what they are. No DOM but the browser's own files.
import { blobs, KithError, space } from '/.kith/kith.js';

/** @import { FileRef } from '/.kith/kith.js' */

/** Files of one entry: as many as the node takes. */
const OF_ONE_ENTRY = 64;
/** Files that are handed in at once. The node takes four of a page. */
const AT_ONCE = 3;
/** Most files of one drop. A browser holds each in memory; `kith share` does not. */
export const MOST = 20_000;
/** Longest name, in bytes of UTF-8. */
const LONGEST_NAME = 255;

/**
 * A file with its place in what was dropped.
 * @typedef {{ file: File, path: string }} Found
 *
 * A file on its way in.
 * @typedef {object} Job
 * @property {number} id
 * @property {File} file
 * @property {string} path
 * @property {'waiting' | 'adding' | 'done' | 'failed' | 'left'} state
 * @property {number} bytes
 * @property {FileRef} [ref]
 * @property {KithError} [error]
 */

/** A name that every system and the node take; what they don't becomes “_”. @param {string} name */
export function cleanName(name) {
  let clean = name.replace(/[/\\\u0000-\u001f\u007f]/g, '_').toWellFormed();
  if (clean === '' || clean === '.' || clean === '..') clean = '_';
  const bytes = new TextEncoder();
  while (bytes.encode(clean).length > LONGEST_NAME) clean = [...clean].slice(0, -1).join('');
  return clean;
}

/** @param {FileSystemEntry} entry @param {string} path @param {Found[]} found */
async function walk(entry, path, found) {
  if (found.length >= MOST) return;
  if (entry.isFile) {
    const file = await new Promise((done, fail) => /** @type {FileSystemFileEntry} */ (entry).file(done, fail));
    found.push({ file, path });
  } else if (entry.isDirectory) {
    const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
    for (;;) {
      /** @type {FileSystemEntry[]} */ const some = await new Promise((done, fail) => reader.readEntries(done, fail));
      if (some.length === 0) return;
      for (const one of some) await walk(one, `${path}/${cleanName(one.name)}`, found);
    }
  }
}

/**
 * What was dropped: loose files, and each folder with its files. To be called in the event itself, for
 * what was dropped is gone after it.
 * @param {DataTransfer} dropped @returns {Promise<{ folder: string, found: Found[] }[]>}
 */
export async function findIn(dropped) {
  const entries = [...dropped.items].flatMap((item) => (item.kind === 'file' ? [{ entry: item.webkitGetAsEntry(), file: item.getAsFile() }] : []));
  /** @type {Found[]} */ const loose = [];
  /** @type {{ folder: string, found: Found[] }[]} */ const all = [];
  for (const { entry, file } of entries) {
    if (entry?.isDirectory) {
      /** @type {Found[]} */ const found = [];
      const folder = cleanName(entry.name);
      await walk(entry, folder, found);
      all.push({ folder, found });
    } else if (file) {
      loose.push({ file, path: cleanName(file.name) });
    }
  }
  return loose.length > 0 ? [{ folder: '', found: loose }, ...all] : all;
}

/** What a field for files has. @param {File[]} files @returns {{ folder: string, found: Found[] }[]} */
export function findOf(files) {
  if (files.length === 0) return [];
  const found = files.slice(0, MOST).map((file) => ({ file, path: (file.webkitRelativePath || file.name).split('/').map(cleanName).join('/') }));
  const folder = files[0]?.webkitRelativePath ? found[0]?.path.split('/')[0] ?? '' : '';
  return [{ folder, found }];
}

/** Files that are added together. Tells of each `change`. */
export class Batch extends EventTarget {
  static #last = 0;

  /** @param {string} folder @param {Found[]} found */
  constructor(folder, found) {
    super();
    this.id = ++Batch.#last;
    this.folder = folder;
    this.group = crypto.randomUUID();
    this.began = Date.now();
    /** @type {Job[]} */
    this.jobs = found.map(({ file, path }, id) => ({ id, file, path, state: 'waiting', bytes: 0 }));
    this.size = found.reduce((sum, { file }) => sum + file.size, 0);
    /** @type {'adding' | 'failed' | 'done'} */ this.state = 'adding';
    /** Why what was added could not be said to the others. @type {KithError | undefined} */ this.error = undefined;
    this.#end = new AbortController();
    void this.#run();
  }

  /** @type {AbortController} */ #end;
  /** Which chunks of the jobs were said already. @type {Set<number>} */ #said = new Set();
  #running = 0;

  get bytes() {
    return this.jobs.reduce((sum, job) => sum + (job.state === 'left' ? 0 : job.bytes), 0);
  }

  /** Gives up what is not added yet. What was said already stays. */
  cancel() {
    this.#end.abort();
    for (const job of this.jobs) if (job.state !== 'done') job.state = 'left';
    this.state = 'done';
    this.#changed();
  }

  /** Tries again what failed. */
  retry() {
    for (const job of this.jobs) if (job.state === 'failed') Object.assign(job, { state: 'waiting', bytes: 0, error: undefined });
    this.state = 'adding';
    this.error = undefined;
    void this.#run();
  }

  /** Adds the others without those that failed. */
  leaveFailed() {
    for (const job of this.jobs) if (job.state === 'failed') job.state = 'left';
    this.state = 'adding';
    this.error = undefined;
    void this.#run();
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }

  async #run() {
    this.#changed();
    const workers = Array.from({ length: AT_ONCE - this.#running }, () => this.#work());
    await Promise.all(workers);
    if (this.state !== 'adding' || this.#running > 0) return;
    this.state = this.error || this.jobs.some(({ state }) => state === 'failed') ? 'failed' : 'done';
    this.#changed();
  }

  async #work() {
    this.#running++;
    for (let job = this.#next(); job; job = this.#next()) {
      await this.#add(job);
      await this.#say();
    }
    await this.#say();
    this.#running--;
  }

  #next() {
    const job = this.state === 'adding' ? this.jobs.find(({ state }) => state === 'waiting') : undefined;
    if (job) job.state = 'adding';
    return job;
  }

  /** @param {Job} job */
  async #add(job) {
    const { signal } = this.#end;
    try {
      job.ref = await blobs.add(job.file, {
        name: cleanName(job.file.name), signal,
        onProgress: ({ sent }) => { job.bytes = sent; this.#changed(); },
      });
      job.bytes = job.file.size;
      if (job.state === 'adding') job.state = 'done';
    } catch (error) {
      if (signal.aborted) return;
      job.state = 'failed';
      job.bytes = 0;
      job.error = error instanceof KithError ? error : new KithError({ code: 'internal', what: 'This file can’t be read.', why: String(error), todo: 'It may have been moved, or changed since.' });
    }
    this.#changed();
  }

  /** Says to the others what is there of the files that make one entry. */
  async #say() {
    for (let start = 0; start < this.jobs.length; start += OF_ONE_ENTRY) {
      const jobs = this.jobs.slice(start, start + OF_ONE_ENTRY);
      if (this.#said.has(start) || jobs.some(({ state }) => state !== 'done' && state !== 'left')) continue;
      this.#said.add(start);
      const done = jobs.filter(({ state }) => state === 'done');
      if (done.length === 0) continue;
      try {
        const attachments = done.map(({ ref }) => /** @type {FileRef} */ (ref));
        const body = { type: 'files', group: this.group, ...(this.folder ? { folder: this.folder, paths: done.map(({ path }) => path) } : {}) };
        await space.append(body, { attachments });
      } catch (error) {
        this.#said.delete(start);
        this.error = error instanceof KithError ? error : new KithError({ code: 'internal', what: 'The files can’t be shown to the others.', why: String(error) });
        return;
      }
    }
  }
}
