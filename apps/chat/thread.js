// A long list of which only what is in view, and a little around it, is in the page. Heights are
// measured when rows are drawn and guessed before; what the person looks at never moves.

/** Drawn beyond the view on each side, in px, so that a scroll does not outrun the drawing. */
const AROUND = 800;
/** So near to the end counts as at the end, in px. */
const NEAR = 48;
/** A guess at a row's height before any was measured, in px. */
const FIRST_GUESS = 56;

/**
 * A row: `key` says which, `look` changes when it must be drawn anew, `touch` brings the rest up to date.
 * @typedef {{ key: string, look: string, draw: () => HTMLElement, touch?: (node: HTMLElement) => void }} Row
 */

export class Thread {
  /** @type {Row[]} */ #rows = [];
  /** @type {Map<string, number>} */ #index = new Map();
  /** @type {Map<string, number>} */ #heights = new Map();
  #measured = 0;
  /** @type {Map<string, { node: HTMLElement, look: string }>} */ #drawn = new Map();
  /** @type {WeakMap<Element, string>} */ #keys = new WeakMap();
  #asked = false;
  /** Where this list itself scrolled to, in px. */ #put = 0;
  /** Whether the end is in view and stays in view. */ atEnd = true;

  /**
   * @param {HTMLElement} scroller What scrolls.
   * @param {HTMLElement} list Its child, which holds the rows.
   * @param {() => void} moved Told of each scroll.
   */
  constructor(scroller, list, moved) {
    this.scroller = scroller;
    this.list = list;
    let width = 0;
    scroller.addEventListener('scroll', () => {
      // Rows may have grown since this list itself scrolled: only a person leaves the end.
      if (Math.abs(scroller.scrollTop - this.#put) > 1) this.atEnd = scroller.scrollTop + scroller.clientHeight >= scroller.scrollHeight - NEAR;
      this.#soon();
      moved();
    }, { passive: true });
    new ResizeObserver(() => {
      if (scroller.clientWidth !== width) {
        width = scroller.clientWidth;
        this.#heights.clear();
        this.#measured = 0;
      }
      this.#lay();
    }).observe(scroller);
  }

  /** How far it is from the first row, in px. */
  get top() {
    return this.scroller.scrollTop;
  }

  /** @param {Row[]} rows */
  set(rows) {
    this.#rows = rows;
    this.#index = new Map(rows.map(({ key }, at) => [key, at]));
    this.#lay();
  }

  toEnd() {
    this.atEnd = true;
    this.#lay();
  }

  /** Brings a row into view and returns its node. @param {string} key @param {'nearest' | 'center' | 'start'} [where] */
  reveal(key, where = 'nearest') {
    const at = this.#index.get(key);
    if (at === undefined) return undefined;
    if (!this.#drawn.has(key)) {
      const { clientHeight } = this.scroller;
      this.atEnd = false;
      this.#lay({ key, offset: clientHeight / 2 });
    }
    const node = this.#drawn.get(key)?.node;
    node?.scrollIntoView({ block: where });
    return node;
  }

  /** Which row a node is. @param {Element} node */
  keyOf(node) {
    return this.#keys.get(node);
  }

  #soon() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => { this.#asked = false; this.#lay(); });
  }

  /** @param {Row} row */
  #height({ key }) {
    return this.#heights.get(key) ?? (this.#heights.size > 0 ? this.#measured / this.#heights.size : FIRST_GUESS);
  }

  /** @param {number} at */
  #above(at) {
    let sum = 0;
    for (let i = 0; i < at; i++) sum += this.#height(/** @type {Row} */ (this.#rows[i]));
    return sum;
  }

  /** The first row in view that is still one of the rows, and how far below the view's top it is. */
  #anchor() {
    const { top, bottom } = this.scroller.getBoundingClientRect();
    for (const node of this.list.children) {
      const key = this.#keys.get(node);
      const box = node.getBoundingClientRect();
      if (key !== undefined && this.#index.has(key) && box.bottom > top && box.top < bottom) return { key, offset: box.top - top };
    }
    return undefined;
  }

  /** Draws what is in view. The anchor stays where the person sees it. @param {{ key: string, offset: number }} [anchor] */
  #lay(anchor = this.atEnd ? undefined : this.#anchor()) {
    const { scroller } = this;
    const at = anchor && this.#index.get(anchor.key);
    const wanted = () => (this.atEnd ? Infinity : at === undefined || !anchor ? scroller.scrollTop : this.#above(at) - anchor.offset);
    // Each round draws by better known heights; two or three are enough.
    for (let round = 0; round < 4; round++) {
      const changed = this.#draw(wanted());
      const top = Math.min(wanted(), scroller.scrollHeight);
      if (Math.abs(scroller.scrollTop - top) > 0.1) scroller.scrollTop = top;
      this.#put = scroller.scrollTop;
      if (!changed) return;
    }
  }

  /** Draws the view at `scrollTop`. Returns whether anything was drawn or measured anew. @param {number} scrollTop */
  #draw(scrollTop) {
    let total = 0;
    for (const row of this.#rows) total += this.#height(row);
    const { clientHeight } = this.scroller;
    const top = Math.min(scrollTop, total - clientHeight) - AROUND;
    const bottom = top + clientHeight + 2 * AROUND;
    let above = 0;
    let below = 0;
    let y = 0;
    /** @type {Row[]} */ const shown = [];
    for (const row of this.#rows) {
      const height = this.#height(row);
      if (y + height < top) above += height;
      else if (y > bottom) below += height;
      else shown.push(row);
      y += height;
    }
    this.list.style.paddingTop = `${above}px`;
    this.list.style.paddingBottom = `${below}px`;
    return this.#place(shown);
  }

  /** @param {Row[]} shown */
  #place(shown) {
    const keys = new Set(shown.map(({ key }) => key));
    const focused = document.activeElement;
    for (const [key, { node }] of this.#drawn) {
      if (keys.has(key)) continue;
      if (node.contains(focused)) this.scroller.focus({ preventScroll: true });
      node.remove();
      this.#drawn.delete(key);
    }
    /** @type {{ key: string, node: HTMLElement }[]} */ const fresh = [];
    /** @type {Element | null} */ let next = this.list.firstElementChild;
    for (const { key, look, draw, touch } of shown) {
      const old = this.#drawn.get(key);
      if (old?.look === look) {
        touch?.(old.node);
        if (old.node === next) next = next.nextElementSibling;
        else this.list.insertBefore(old.node, next);
        continue;
      }
      const node = draw();
      touch?.(node);
      this.list.insertBefore(node, next);
      if (old) {
        if (old.node === next) next = next.nextElementSibling;
        const had = old.node.contains(focused);
        old.node.remove();
        if (had) node.focus({ preventScroll: true });
      }
      this.#drawn.set(key, { node, look });
      this.#keys.set(node, key);
      fresh.push({ key, node });
    }
    let changed = fresh.length > 0;
    // All of them: fonts that arrive late and the last row's place change heights too.
    for (const { key } of shown) {
      const drawn = this.#drawn.get(key);
      if (!drawn) continue;
      const { height } = drawn.node.getBoundingClientRect();
      const was = this.#heights.get(key);
      if (was === height) continue;
      this.#measured += height - (was ?? 0);
      this.#heights.set(key, height);
      changed = true;
    }
    return changed;
  }
}
