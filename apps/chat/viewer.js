// One picture, large.
import { blobs } from '/.kith/kith.js';

import { kindOf } from './files.js';

/** @import { MessageFile } from './files.js' */

const at = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

export class Viewer {
  /** @type {MessageFile[]} */ #pictures = [];
  #at = 0;
  #dialog = /** @type {HTMLDialogElement} */ (at('viewer'));

  constructor() {
    at('viewer-close').addEventListener('click', () => this.#dialog.close());
    at('viewer-before').addEventListener('click', () => this.#turn(-1));
    at('viewer-next').addEventListener('click', () => this.#turn(1));
    this.#dialog.addEventListener('click', (event) => { if (event.target === this.#dialog) this.#dialog.close(); });
    this.#dialog.addEventListener('keydown', ({ key }) => {
      if (key === 'ArrowLeft') this.#turn(-1);
      if (key === 'ArrowRight') this.#turn(1);
    });
    // A large picture takes memory as long as it is shown.
    this.#dialog.addEventListener('close', () => at('viewer-picture').removeAttribute('src'));
  }

  /** Shows one of a message's pictures; the arrows lead to the others. @param {MessageFile[]} files @param {number} place */
  show(files, place) {
    this.#pictures = files.filter((file) => kindOf(file) === 'picture');
    this.#at = Math.max(0, this.#pictures.findIndex((file) => file === files[place]));
    this.#draw();
    this.#dialog.showModal();
  }

  /** @param {number} by */
  #turn(by) {
    this.#at = Math.min(this.#pictures.length - 1, Math.max(0, this.#at + by));
    this.#draw();
  }

  #draw() {
    const file = this.#pictures[this.#at];
    if (!file) return;
    at('viewer-picture').setAttribute('src', file.preview ?? file.url);
    at('viewer-picture').setAttribute('alt', `Picture: ${file.name}`);
    at('viewer-name').textContent = this.#pictures.length > 1 ? `${this.#at + 1} of ${this.#pictures.length} · ${file.name}` : file.name;
    for (const [id, there] of /** @type {const} */ ([['viewer-before', this.#at > 0], ['viewer-next', this.#at < this.#pictures.length - 1]])) {
      at(id).hidden = this.#pictures.length < 2;
      at(id).toggleAttribute('disabled', !there);
    }
    at('viewer-save').hidden = file.url === '';
    at('viewer-save').setAttribute('href', file.url && blobs.url(file, { download: true }));
    at('viewer-save').setAttribute('download', file.name);
  }
}
