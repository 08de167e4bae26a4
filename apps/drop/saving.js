// Saves whole folders to where the person says, where the browser can (showDirectoryPicker: Chromium's).
import { blobs } from '/.kith/kith.js';

/** Files of a folder that are asked for at once. */
const AT_ONCE = 1_000;
/** Names that are tried before one is given up: “Photos (2)”, and on. */
const TRIES = 100;

/** @typedef {{ path: string, size: number, url: string }} Saved */

/** Whether this browser can. */
export const canSaveAll = 'showDirectoryPicker' in window;

/** A name that every system takes. @param {string} name */
const plain = (name) => name.replace(/[<>:"|?*~\\/\u0000-\u001f\u007f]/g, '_').replace(/[. ]+$/, '_') || '_';

/**
 * A file or folder of that name, under a name that nothing has.
 * @template T @param {FileSystemDirectoryHandle} folder @param {string} name @param {(name: string) => Promise<T>} make @returns {Promise<T>}
 */
async function free(folder, name, make) {
  const dot = name.lastIndexOf('.');
  const [start, end] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  for (let n = 1; n <= TRIES; n++) {
    const tried = n === 1 ? name : `${start} (${n})${end}`;
    const there = await folder.getFileHandle(tried).then(() => true, (error) => error.name !== 'NotFoundError');
    if (!there) return make(tried);
  }
  throw new Error(`“${name}” is there already.`);
}

/** The files of a folder that was shared whole. @param {string} hash @returns {AsyncGenerator<Saved>} */
export async function* filesOf(hash) {
  for (let after, more = true; more;) {
    const page = await blobs.files(hash, { after, limit: AT_ONCE });
    yield* page.files;
    after = page.files.at(-1)?.path;
    more = page.more && after !== undefined;
  }
}

/**
 * Asks where to, then writes each file at its place in a new folder. What is not here is fetched meanwhile.
 * @param {string} name The folder's. @param {Iterable<Saved> | AsyncIterable<Saved>} files
 * @param {(done: { files: number, bytes: number }) => void} told @param {AbortSignal} signal
 * @returns {Promise<boolean>} Whether it was done; not, where the person thought better of it.
 */
export async function saveAll(name, files, told, signal) {
  /** @type {FileSystemDirectoryHandle} */ let target;
  try {
    target = await /** @type {any} */ (window).showDirectoryPicker({ mode: 'readwrite', id: 'drop' });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') return false;
    throw error;
  }
  const root = await free(target, plain(name), (free) => target.getDirectoryHandle(free, { create: true }));
  const done = { files: 0, bytes: 0 };
  for await (const { path, size, url } of files) {
    let folder = root;
    const names = path.split('/').map(plain);
    const last = path.endsWith('/') ? undefined : names.pop();
    for (const part of names) if (part !== '_') folder = await folder.getDirectoryHandle(part, { create: true });
    if (last === undefined) continue;
    const handle = await free(folder, last, (free) => folder.getFileHandle(free, { create: true }));
    const answer = await fetch(url, { signal });
    if (!answer.ok || !answer.body) throw new Error(`“${path}” can’t be read (${answer.status}).`);
    await answer.body.pipeTo(await handle.createWritable(), { signal });
    done.files++;
    done.bytes += size;
    told(done);
  }
  return true;
}
