// Small parts that every page of the dashboard is made of.
import { html, useEffect, useId, useRef, useState } from './html.js';
import { fault, node } from './node.js';
import { hueOf, initials } from './words.js';

/** @typedef {import('./html.js').Child} Child */
/** @typedef {import('/.kith/kith.js').KithError} KithError */

/** How long “Copied” is shown, in ms. */
const SAID = 2_000;
/** A wait is put into words after this time, in ms. */
const PATIENCE = 600;

/** The node, and a new drawing whenever it says something. @param {...('spaces' | 'peers' | 'settings' | 'keys')} wanted */
export function useNode(...wanted) {
  const [, draw] = useState(0);
  useEffect(() => {
    const again = () => draw((n) => n + 1);
    node.addEventListener('change', again);
    const done = wanted.map((what) => node.want(what));
    return () => {
      node.removeEventListener('change', again);
      for (const end of done) end();
    };
  }, []);
  return node;
}

/** Keeps a page's title. @param {string} title */
export function useTitle(title) {
  useEffect(() => { document.title = title ? `${title} · kith` : 'kith'; }, [title]);
}

/** @param {{ name: string, label?: string }} props */
export const Icon = ({ name, label }) => html`<svg class="icon" role=${label ? 'img' : undefined} aria-label=${label} aria-hidden=${label ? undefined : 'true'}><use href=${`#i-${name}`} /></svg>`;

export const Logo = () => html`<svg class="logo" aria-hidden="true"><use href="#i-kith" /></svg>`;

/** A circle with someone's initials, in the colour of the name: ids differ in each space. @param {{ name: string }} props */
export const Face = ({ name }) => html`<span class=${`face hue-${hueOf(name)}`} aria-hidden="true">${initials(name)}</span>`;

/** An app's own icon, or its first letter. @param {{ app: { icon: string | null, name: string, app: string } }} props */
export const AppIcon = ({ app }) => (app.icon
  ? html`<img class="app-icon" src=${app.icon} alt="" width="40" height="40" />`
  : html`<span class=${`app-icon letter hue-${hueOf(app.app)}`} aria-hidden="true">${initials(app.name).slice(0, 1)}</span>`);

/**
 * What happened, why, what to do, and a button that does it.
 * @param {{ error: { what: string, why: string, todo: string }, kind?: 'bad' | 'warn', children?: Child }} props
 */
export const Fault = ({ error, kind = 'bad', children }) => html`
  <div class=${`fault ${kind}`} role=${kind === 'bad' ? 'alert' : undefined}>
    <${Icon} name="triangle-alert" />
    <div><strong>${error.what}</strong>${' '}<span>${error.why} ${error.todo}</span>${children && html`<div class="row">${children}</div>`}</div>
  </div>`;

/** Words about a wait, once it is one; none where an error says more. @param {{ children: Child }} props */
export function Wait({ children }) {
  const [late, setLate] = useState(false);
  const { error } = useNode();
  useEffect(() => { const timer = setTimeout(() => setLate(true), PATIENCE); return () => clearTimeout(timer); }, []);
  return html`<p class="wait" role="status">${late && !error ? children : ''}</p>`;
}

/**
 * A button that does something which takes a while: it can't be pressed twice, and says how it failed.
 * @param {{ act: () => unknown, class?: string, label?: string, children: Child, failed?: (error: KithError | undefined) => void }} props
 */
export function Act({ act, class: style = '', label, children, failed }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {KithError | undefined} */ (undefined));
  const tell = failed ?? setError;
  const run = async () => {
    setBusy(true);
    tell(undefined);
    try {
      await act();
    } catch (thrown) {
      tell(fault(thrown));
    }
    setBusy(false);
  };
  return html`<button type="button" class=${style} aria-label=${label} title=${label} aria-disabled=${busy} onClick=${() => !busy && run()}>${children}</button>
    ${error && html`<${Fault} error=${error} />`}`;
}

/** Copies a text, and says so. @param {{ text: string, what: string }} props */
export function Copy({ text, what }) {
  const [said, setSaid] = useState('');
  const copy = async () => {
    setSaid(await navigator.clipboard.writeText(text).then(() => 'Copied', () => 'Select it and copy by hand'));
    setTimeout(() => setSaid(''), SAID);
  };
  return html`<button type="button" class="copy" aria-label=${`Copy ${what}`} onClick=${copy}>
    <${Icon} name=${said === 'Copied' ? 'check' : 'copy'} /><span role="status">${said || 'Copy'}</span></button>`;
}

/** A dialog that is open as long as it is drawn. @param {{ title: string, close: () => void, children: Child }} props */
export function Dialog({ title, close, children }) {
  const ref = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useId();
  useEffect(() => {
    const [dialog, before] = [ref.current, document.activeElement];
    dialog?.showModal();
    // One that is only taken away gives the focus back to nobody; and while it is open, nothing else takes it.
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  return html`<dialog ref=${ref} aria-labelledby=${id} onClose=${close}
    onClick=${(/** @type {Event} */ event) => event.target === ref.current && close()}>
    <div class="dialog"><h2 id=${id}>${title}</h2>${children}</div></dialog>`;
}

/**
 * A field and its button. @param {{ label: string, value: string, save: (value: string) => unknown, done: string, type?: string, hint?: string, autofocus?: boolean }} props
 */
export function Field({ label, value, save, done, hint, autofocus = false }) {
  const id = useId();
  const ref = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [said, setSaid] = useState('');
  const [error, setError] = useState(/** @type {KithError | undefined} */ (undefined));
  useEffect(() => { if (autofocus) ref.current?.select(); }, []);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setError(undefined);
    try {
      await save(ref.current?.value.trim() ?? '');
      setSaid(done);
    } catch (thrown) {
      setError(fault(thrown));
    }
  };
  return html`<form class="field" onSubmit=${submit}>
    <label for=${id}>${label}</label>
    <div class="pair"><input id=${id} ref=${ref} defaultValue=${value} maxlength="64" required autocomplete="off" onInput=${() => setSaid('')} /><button class="main" type="submit">Save</button></div>
    <p class="hint" role="status">${said || hint || ''}</p>
    ${error && html`<${Fault} error=${error} />`}
  </form>`;
}

/** Rows that are drawn at once; of more, only those in view and these around it. */
const ROWS_WHOLE = 150;
const ROWS_AROUND = 12;

/**
 * A list of rows of one height, of which only those near the view are in the page.
 * @template T
 * @param {{ rows: T[], height: number, draw: (row: T) => Child, keyOf: (row: T) => string, label: string }} props
 */
export function Rows({ rows, height, draw, keyOf, label }) {
  const ref = useRef(/** @type {HTMLElement | null} */ (null));
  const [first, setFirst] = useState(0);
  const many = rows.length > ROWS_WHOLE;
  useEffect(() => {
    if (!many) return undefined;
    const look = () => {
      const top = ref.current?.getBoundingClientRect().top ?? 0;
      setFirst(Math.max(0, Math.floor(-top / height) - ROWS_AROUND));
    };
    look();
    addEventListener('scroll', look, { passive: true });
    return () => removeEventListener('scroll', look);
  }, [many, height]);
  const shown = many ? rows.slice(first, first + Math.ceil(innerHeight / height) + 2 * ROWS_AROUND) : rows;
  const style = many ? { height: `${rows.length * height}px`, paddingTop: `${first * height}px` } : undefined;
  return html`<ul ref=${ref} class=${`rows ${many ? 'many' : ''}`} aria-label=${label} style=${style}>
    ${shown.map((row, at) => html`<li key=${keyOf(row)} aria-setsize=${rows.length} aria-posinset=${(many ? first : 0) + at + 1} style=${many ? { height: `${height}px` } : undefined}>${draw(row)}</li>`)}
  </ul>`;
}
