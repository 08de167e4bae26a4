// An app is opened for the first time: what it is, who signed it, what it asks, and which space.
import { html, useEffect, useRef, useState } from './html.js';
import { fault, node, openSpace } from './node.js';
import { Act, AppIcon, Fault, Icon, useTitle, Wait } from './parts.js';
import { Attempts } from './spaces.js';
import { fingerprint, number, size, speed, who } from './words.js';

/** @import * as api from '../sdk/kith-api.d.ts' */

/** The first Chromium in which an app can't send anything to a website by any means. */
const SEALED_SINCE = 152;
/** The time over which speed is measured, in ms. */
const SPEED_OVER = 2_000;

/** Starts to open a link, and goes to its page. @param {string} target */
export async function begin(target) {
  const { opening } = await node.connection.call('open.begin', { target });
  // So that a failure can be tried again without pasting.
  sessionStorage.setItem(`opening ${opening}`, target);
  location.hash = `#/open/${opening}`;
}

/** @param {{ id: string }} props */
export function Opening({ id }) {
  const [stage, setStage] = useState(/** @type {api.OpeningStage | undefined} */ (undefined));
  useTitle('Open');
  useEffect(() => {
    const ended = new AbortController();
    void (async () => {
      try {
        for await (const event of node.connection.subscribe(() => ({ to: 'opening', opening: id }), { signal: ended.signal })) {
          if (event.type === 'opening') setStage(event.stage);
        }
      } catch (error) {
        setStage({ stage: 'failed', error: /** @type {api.Error} */ (/** @type {unknown} */ (fault(error))) });
      }
    })();
    return () => ended.abort();
  }, [id]);

  if (!stage) return html`<${Wait}>Reading the link…</${Wait}>`;
  switch (stage.stage) {
    case 'fetching': return html`<${Fetching} id=${id} stage=${stage} />`;
    case 'asking': return html`<${Asking} id=${id} app=${stage.app} invited=${stage.invited} />`;
    case 'ready': return html`<${Ready} id=${id} opened=${stage} />`;
    case 'failed': return html`<${Failed} id=${id} error=${stage.error} />`;
    default: return null;
  }
}

/** Openings whose page this tab went on to. @type {Set<string>} */
const gone = new Set();

/** Goes on to the page, once: its address works once, and both the answer and the stage tell it. @param {string} id @param {string} url */
function goOn(id, url) {
  if (gone.has(id)) return;
  gone.add(id);
  location.assign(url);
}

/** @param {string} id */
async function cancel(id) {
  await node.connection.call('open.cancel', { opening: id });
  location.hash = '#/';
}

/** Bytes per second, over the last moments. @param {number} bytes */
function useSpeed(bytes) {
  const seen = useRef(/** @type {{ at: number, bytes: number }[]} */ ([]));
  const now = Date.now();
  seen.current = [...seen.current.filter(({ at }) => now - at < SPEED_OVER), { at: now, bytes }];
  const first = seen.current[0];
  return first && now > first.at ? ((bytes - first.bytes) * 1_000) / (now - first.at) : 0;
}

/** @param {{ id: string, stage: Extract<api.OpeningStage, { stage: 'fetching' }> }} props */
function Fetching({ id, stage: { tried, bytes, size: all } }) {
  const rate = useSpeed(bytes);
  const title = bytes > 0 ? 'Fetching the app' : 'Looking for the app';
  return html`<section class="opening"><h1>${title}</h1>
    ${bytes > 0
      ? html`<progress max=${all ?? undefined} value=${all === null ? undefined : bytes} aria-label="How much is here"></progress>
        <p>${size(bytes)}${all !== null ? ` of ${size(all)}` : ''}${rate > 0 ? `, ${speed(rate)}` : ''}</p>`
      : html`<p>${tried.length === 0 ? 'Looking for someone who has it.' : 'These people are asked whether they have it.'}</p>`}
    ${tried.length > 0 && html`<${Attempts} tried=${tried} nameOf=${(/** @type {string} */ peer) => who('', peer)} />`}
    <p class="hint">${bytes > 0 ? 'Every piece is checked as it comes.' : 'It comes from people, not from a server. If it takes long, ask whoever sent you the link to start their kith.'}</p>
    <div class="row"><${Act} act=${() => cancel(id)}>Cancel</${Act}></div>
  </section>`;
}

/** Who signed it, in words. @param {api.AppInfo} app */
function signer(app) {
  if (app.bundled) return 'Came with kith.';
  if (app.ours) return 'Signed by you: its key is on this computer.';
  return 'Signed by the holder of this key, like every later version. kith does not know who that is: compare the key with what its maker says elsewhere.';
}

/** Whether this browser keeps an app from sending to websites by every means. */
function sealed() {
  const brands = /** @type {{ userAgentData?: { brands: { brand: string, version: string }[] } }} */ (navigator).userAgentData?.brands ?? [];
  return brands.some(({ brand, version }) => brand === 'Chromium' && Number(version) >= SEALED_SINCE);
}

/** @param {{ id: string, app: api.AppInfo, invited: boolean }} props */
function Asking({ id, app, invited }) {
  const [choice, setChoice] = useState(/** @type {api.SpaceChoice} */ (invited ? 'invited' : 'own'));
  const title = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => { title.current?.focus({ preventScroll: true }); }, []);
  /** @type {{ value: api.SpaceChoice, name: string, what: string }[]} */
  const choices = invited
    ? [{ value: 'invited', name: 'The space you are invited to', what: 'Its people see your name and your address, and you see theirs.' },
      { value: 'own', name: 'A new space of your own', what: 'Nobody else is in it until you invite them.' }]
    : [{ value: 'own', name: 'A new space of your own', what: 'Nobody else is in it until you invite them.' },
      { value: 'public', name: 'The app’s public space', what: 'Anyone can join it, and watch who is there and what is written. Nothing in it is encrypted.' }];
  const open = async () => {
    const { url } = await node.connection.call('open.confirm', { opening: id, space: choice });
    goOn(id, url);
  };
  return html`<section class="opening">
    <header class="app"><${AppIcon} app=${app} /><div><h1 ref=${title} tabindex="-1" dir="auto">Open ${app.name}?</h1>${app.description && html`<p dir="auto">${app.description}</p>`}</div></header>
    <dl class="facts"><div><dt>Signed by</dt><dd>${app.bundled ? 'Came with kith' : app.ours ? 'You' : html`<code>${fingerprint(app.app)}</code>`}</dd></div><div><dt>Version</dt><dd>${number(app.version)}</dd></div><div><dt>Size</dt><dd>${size(app.size)}</dd></div></dl>
    <h2>What it asks</h2>
    <ul class="points">
      ${app.permissions.length === 0
        ? html`<li><${Icon} name="shield-check" /><span>Nothing: it sees only this space, and reaches no website.</span></li>`
        : app.permissions.map((words) => html`<li key=${words}><${Icon} name="info" /><span>It wants to ${words}. Your browser asks you again when it does.</span></li>`)}
      ${!sealed() && html`<li class="warn"><${Icon} name="triangle-alert" /><span>This browser can’t keep an app from sending what it sees to a website. Chromium ${SEALED_SINCE} and later can.</span></li>`}
    </ul>
    <fieldset class="choices"><legend>Where</legend>
      ${choices.map(({ value, name, what }) => html`<label key=${value}><input type="radio" name="space" value=${value} checked=${choice === value} onChange=${() => setChoice(value)} /><span><strong>${name}</strong><span>${what}</span></span></label>`)}
    </fieldset>
    <h2>What to know</h2>
    <ul class="points">
      <li><${Icon} name="users" /><span>The people of a space see each other’s internet address.</span></li>
      <li><${Icon} name="pencil" /><span>What you write is signed: others can prove that you wrote it, and what they have can’t be taken back.</span></li>
    </ul>
    <details open=${!app.bundled && !app.ours}><summary>Who made it</summary><p>${signer(app)}</p><p>The whole key: <code class="key">${app.app}</code></p></details>
    <div class="row end sticky"><${Act} act=${() => cancel(id)}>Cancel</${Act}><${Act} class="main" act=${open}>Open ${app.name}</${Act}></div>
  </section>`;
}

/** @param {{ id: string, opened: api.OpenedSpace }} props */
function Ready({ id, opened }) {
  useEffect(() => goOn(id, opened.url), [opened.url]);
  return html`<section class="opening"><h1>Opening</h1><p>The page is on its way.</p>
    <div class="row"><${Act} act=${() => openSpace(opened.space)}>Open it in a tab of its own</${Act}></div></section>`;
}

/** @param {{ id: string, error: api.Error }} props */
function Failed({ id, error }) {
  const target = sessionStorage.getItem(`opening ${id}`);
  return html`<section class="opening"><h1>It could not be opened</h1>
    <${Fault} error=${error} />
    <div class="row">${target && html`<${Act} class="main" act=${() => begin(target)}>Try again</${Act}>`}
      <a class=${`button ${target ? '' : 'main'}`} href="#/">Paste another link</a></div></section>`;
}
