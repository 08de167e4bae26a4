// The files that go with the next message: chosen, pasted or dropped.
import { chosen, kindOf } from './files.js';
import { button, el, icon } from './parts.js';
import { MOST_FILES } from './room.js';
import { sizeOf } from './words.js';

/** @import { MessageFile } from './files.js' */

export class Tray {
  /** @type {MessageFile[]} */ files = [];

  /**
   * @param {HTMLElement} list
   * @param {(words: string) => void} say
   * @param {() => void} changed
   */
  constructor(list, say, changed) {
    this.list = list;
    this.say = say;
    this.changed = changed;
  }

  /** @param {Iterable<File>} files */
  add(files) {
    const fresh = [...files];
    const room = MOST_FILES - this.files.length;
    this.put(fresh.slice(0, room).map(chosen));
    if (fresh.length > room) this.say(`A message has ${MOST_FILES} files at most: ${fresh.length - room} were left out.`);
    else if (fresh.length > 0) this.say(fresh.length === 1 ? `Added ${fresh[0]?.name}` : `Added ${fresh.length} files`);
  }

  /** Puts files back that were not sent. @param {MessageFile[]} files */
  put(files) {
    this.files.push(...files);
    this.#draw();
  }

  /** Takes them all, for a message. */
  take() {
    const files = this.files;
    this.files = [];
    this.#draw();
    return files;
  }

  /** @param {MessageFile} file */
  #remove(file) {
    const at = this.files.indexOf(file);
    this.files.splice(at, 1);
    if (file.preview) URL.revokeObjectURL(file.preview);
    this.#draw();
    const next = this.list.querySelectorAll('button')[Math.min(at, this.files.length - 1)];
    if (next instanceof HTMLElement) next.focus();
    this.say(`Removed ${file.name}`);
  }

  #draw() {
    this.list.hidden = this.files.length === 0;
    this.list.replaceChildren(...this.files.map((file) => el('li', { title: file.name },
      kindOf(file) === 'picture' ? el('img', { src: file.preview, alt: '' }) : icon({ film: 'film', sound: 'music', picture: 'image', folder: 'folder', file: 'file' }[kindOf(file)]),
      el('div', { class: 'what' }, el('span', { class: 'name' }, el('bdi', {}, file.name)), el('span', { class: 'state' }, sizeOf(file.size))),
      button(`Remove ${file.name}`, 'x', () => this.#remove(file)))));
    this.changed();
  }
}

/**
 * Takes what is dropped on the page and pasted into it.
 * @param {HTMLElement} veil What is shown while files are held over the page.
 * @param {(files: File[]) => void} take @param {(words: string) => void} say
 */
export function receive(veil, take, say) {
  const carries = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes('Files') ?? false;
  let depth = 0;
  addEventListener('dragenter', (event) => { if (carries(event)) { depth++; veil.hidden = false; } });
  addEventListener('dragleave', (event) => { if (carries(event) && --depth <= 0) { depth = 0; veil.hidden = true; } });
  addEventListener('dragover', (event) => {
    if (!carries(event) || !event.dataTransfer) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
  });
  addEventListener('drop', (event) => {
    if (!carries(event) || !event.dataTransfer) return;
    event.preventDefault();
    depth = 0;
    veil.hidden = true;
    const items = [...event.dataTransfer.items].filter(({ kind }) => kind === 'file');
    const files = items.filter((item) => !item.webkitGetAsEntry()?.isDirectory).map((item) => item.getAsFile()).filter((file) => file !== null);
    take(files);
    if (files.length < items.length) say('A folder can’t be sent here. The app Drop takes folders.');
  });
  addEventListener('paste', (event) => {
    const files = [...event.clipboardData?.files ?? []];
    // A text that was copied with its picture, from an office program, is meant as text.
    if (files.length === 0 || event.clipboardData?.types.includes('text/plain')) return;
    event.preventDefault();
    take(files);
  });
}
