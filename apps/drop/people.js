// The link by which others come in, and who is here.
import { connection } from '/.kith/kith.js';

import { html, useEffect, useState } from './html.js';
import { BY_ITSELF_WORDS } from './files.js';
import { Copy, Face, Fault, fault } from './parts.js';

/** @import { Shelf } from './shelf.js' */

/** @param {{ shelf: Shelf }} props */
export function People({ shelf }) {
  const all = [...shelf.members.values()].sort((a, b) => Number(b.me) - Number(a.me) || Number(shelf.online.has(b.id)) - Number(shelf.online.has(a.id)));
  const [said, setSaid] = useState('');
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const field = /** @type {HTMLFormElement} */ (event.target).elements.namedItem('name');
    if (!(field instanceof HTMLInputElement)) return;
    setSaid(await shelf.rename(field.value.trim()).then(() => 'Saved', (error) => fault(error).what));
  };
  return html`<section class="people" aria-label="People">
    <h2>People</h2>
    <ul>${all.map(({ id, name, me, forked }) => html`<li key=${id}>
      <${Face} id=${id} name=${name} /><span class="what"><bdi>${name || `Someone (${id.slice(0, 8)})`}</bdi>${forked && html`<span class="bad">Wrote two histories: their data was copied, or their key is in other hands</span>`}</span>
      <span class="sub">${me ? 'You' : connection.state !== 'open' ? '' : shelf.online.has(id) ? 'Online' : 'Away'}</span></li>`)}</ul>
    <details><summary>Your name here</summary><form onSubmit=${save}>
      <label class="sr" for="your-name">Your name here</label>
      <div class="pair"><input id="your-name" name="name" defaultValue=${shelf.me?.name ?? ''} required maxlength="64" autocomplete="nickname" onInput=${() => setSaid('')} /><button type="submit">Save</button></div>
      <p class="sub" role="status">${said}</p></form></details>
    <label class="check"><input type="checkbox" checked=${shelf.byItself} onChange=${(/** @type {any} */ event) => shelf.setByItself(event.target.checked)} /><span>${BY_ITSELF_WORDS}</span></label>
  </section>`;
}

export function Invite() {
  const [invitation, setInvitation] = useState(/** @type {{ link: string, qr: string } | undefined} */ (undefined));
  const [error, setError] = useState(/** @type {{ what: string, why: string, todo: string } | undefined} */ (undefined));
  const ask = () => {
    setError(undefined);
    connection.call('space.link').then(setInvitation, (thrown) => setError(fault(thrown)));
  };
  useEffect(ask, []);
  return html`<section class="invite" aria-label="Link">
    <h2>Share the link</h2>
    ${error ? html`<${Fault} error=${error}><button type="button" onClick=${ask}>Try again</button></${Fault}>` : html`
    <div class="qr">${invitation && html`<img src=${`data:image/svg+xml,${encodeURIComponent(invitation.qr)}`} alt="The link as a QR code" width="208" height="208" />`}</div>
    <label class="sr" for="link">Link</label>
    <input id="link" class="link" readonly value=${invitation?.link ?? 'Making the link…'} onFocus=${(/** @type {any} */ event) => event.target.select()} />
    ${invitation && html`<${Copy} text=${invitation.link} />`}`}
    <p class="sub">Whoever has the link can get everything here, and add to it. Files come from the people who have them: somebody with a file must be online.</p>
  </section>`;
}
