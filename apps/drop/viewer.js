// A picture, film or recording, in front of the page. It plays while it still comes.
import { blobs } from '/.kith/kith.js';

import { kindOf } from './files.js';
import { html, useEffect, useState } from './html.js';
import { Dialog, Fault, Icon } from './parts.js';
import { percent, size, speed } from './words.js';

/** @import { Item, Shelf } from './shelf.js' */

/** A wait is put into words after this time, in ms. */
const PATIENCE = 800;

/** What a film that can't be shown says. */
const BROKEN = { what: 'This can’t be shown here.', why: 'It is damaged, or of a kind that the browser does not know.', todo: 'Save it, and open it with another program.' };

/** @param {{ shelf: Shelf, item: Item, close: () => void }} props */
export function Viewer({ shelf, item, close }) {
  const [broken, setBroken] = useState(false);
  const [ready, setReady] = useState(false);
  const [late, setLate] = useState(false);
  const [, draw] = useState(0);
  const kind = kindOf(item.type);
  useEffect(() => shelf.watch(item.hash, () => draw((n) => n + 1)), [item.hash]);
  useEffect(() => { const timer = setTimeout(() => setLate(true), PATIENCE); return () => clearTimeout(timer); }, []);
  const state = shelf.files.get(item.hash);
  const come = { onLoadedData: () => setReady(true), onLoad: () => setReady(true), onError: () => setBroken(true) };
  const whole = state?.size || item.size;
  const away = state?.stage === 'waiting' && shelf.holders(item).every((id) => !shelf.online.has(id));
  const words = state?.stage === 'fetching' || state?.stage === 'waiting'
    ? [`${percent(state.bytes, whole)} of ${size(whole)} is here`, state.speed > 0 ? speed(state.speed) : '', away ? 'nobody who has the rest is online; it goes on when they are' : ready ? '' : 'it begins as soon as its first part is'].filter(Boolean).join(' · ')
    : ready ? '' : 'Reads the file…';
  return html`<${Dialog} title=${item.name} close=${close} class="viewer">
    ${broken ? html`<${Fault} error=${BROKEN} />`
    : kind === 'video' ? html`<video src=${item.url} controls autoplay playsinline ...${come}></video>`
    : kind === 'audio' ? html`<audio src=${item.url} controls autoplay ...${come}></audio>`
    : html`<img src=${item.url} alt=${item.name} ...${come} />`}
    <footer><p class="sub" role="status">${late && !broken ? words : ''}</p>
      <a class="button" href=${blobs.url(item, { download: true })} download=${item.name}><${Icon} name="download" />Save</a></footer>
  </${Dialog}>`;
}
