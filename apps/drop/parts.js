// Small parts that the page is made of.
import { html, useEffect, useId, useRef, useState } from './html.js';
import { hueOf, initials, percent } from './words.js';

/** @typedef {import('./html.js').Child} Child */
/** @typedef {import('/.kith/kith.js').KithError} KithError */

/** How long “Copied” is shown, in ms. */
const SAID = 2_000;

/** @param {unknown} error */
export const fault = (error) => (error instanceof Error && 'what' in error ? /** @type {KithError} */ (error) : { what: 'That did not work.', why: String(error), todo: '' });

/** @param {{ name: string }} props */
export const Icon = ({ name }) => html`<svg class="icon" aria-hidden="true"><use href=${`#i-${name}`} /></svg>`;

/** A circle with someone's initials. @param {{ id: string, name: string, small?: boolean }} props */
export const Face = ({ id, name, small = false }) => html`<span class=${`face hue-${hueOf(id)} ${small ? 'small' : ''}`} aria-hidden="true">${initials(name)}</span>`;

/** How far something is. @param {{ part: number, whole: number, label: string, still?: boolean }} props */
export const Bar = ({ part, whole, label, still = false }) => html`<div class=${`bar ${still ? 'still' : ''}`} role="progressbar" aria-label=${label} aria-valuemin="0" aria-valuemax="100"
  aria-valuenow=${whole > 0 ? Math.floor((100 * part) / whole) : 0} aria-valuetext=${percent(part, whole)}>
  <span style=${{ width: `${whole > 0 ? Math.min(100, (100 * part) / whole) : 0}%` }}></span></div>`;

/**
 * What happened, why, what to do, and a button that does it.
 * @param {{ error: { what: string, why: string, todo: string }, children?: Child }} props
 */
export const Fault = ({ error, children }) => html`<div class="fault" role="alert"><${Icon} name="triangle-alert" />
  <p><strong>${error.what}</strong>${` ${error.why} ${error.todo}`}</p>${children}</div>`;

/**
 * A button that does something which can fail: it says so beside it, and can't be pressed twice meanwhile.
 * @param {{ act: () => unknown, label?: string, icon?: string, class?: string, children?: Child, failed: (error: { what: string, why: string, todo: string } | undefined) => void }} props
 */
export function Act({ act, label, icon, class: style = '', children, failed }) {
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    failed(undefined);
    try {
      await act();
    } catch (error) {
      failed(fault(error));
    }
    setBusy(false);
  };
  return html`<button type="button" class=${icon && !children ? `plain square ${style}` : style} aria-label=${label} title=${children ? undefined : label} aria-disabled=${busy}
    onClick=${() => !busy && run()}>${icon && html`<${Icon} name=${icon} />`}${children}</button>`;
}

/** Copies a text, and says so. @param {{ text: string }} props */
export function Copy({ text }) {
  const [said, setSaid] = useState('');
  const copy = async () => {
    setSaid(await navigator.clipboard.writeText(text).then(() => 'Copied', () => 'Select it and copy by hand'));
    setTimeout(() => setSaid(''), SAID);
  };
  return html`<button type="button" class="main copy" onClick=${copy}><${Icon} name=${said === 'Copied' ? 'check' : 'copy'} /><span role="status">${said || 'Copy the link'}</span></button>`;
}

/** A dialog that is open as long as it is drawn. @param {{ title: string, close: () => void, class?: string, children: Child }} props */
export function Dialog({ title, close, class: style = '', children }) {
  const ref = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useId();
  useEffect(() => {
    const [dialog, before] = [ref.current, document.activeElement];
    dialog?.showModal();
    // One that is only taken away gives the focus back to nobody.
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  return html`<dialog ref=${ref} class=${style} aria-labelledby=${id} onClose=${close}
    onClick=${(/** @type {Event} */ event) => event.target === ref.current && close()}>
    <div class="dialog"><header><h2 id=${id} dir="auto">${title}</h2>
      <button type="button" class="plain square" aria-label="Close" onClick=${close}><${Icon} name="x" /></button></header>${children}</div></dialog>`;
}
