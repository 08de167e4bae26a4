// Drop: draws the page and takes what the person does. What is known of the space is in shelf.js, what
// the person adds in adding.js.
import { connection } from '/.kith/kith.js';

import { Batch, findIn, findOf, MOST } from './adding.js';
import { Card } from './files.js';
import { html, render, useEffect, useRef, useState } from './html.js';
import { Bar, Dialog, Face, Fault, Icon } from './parts.js';
import { Invite, People } from './people.js';
import { Shelf } from './shelf.js';
import { Viewer } from './viewer.js';
import { count, left, number, percent, size, speed, these } from './words.js';

/** @import { Item } from './shelf.js' */

/** A wait is put into words after this time, in ms. */
const PATIENCE = 800;
/** A lost connection is told after this time, in ms: most come back sooner. */
const LOST = 1_500;
/** Groups that are drawn at first, and how many more at once. */
const GROUPS = 60;
/** From this width on, in px, the link stands beside the files. */
const WIDE = '(min-width: 900px)';

const shelf = new Shelf();
/** @type {Batch[]} */ let batches = [];
/** What the person is told who can't see. */ let news = '';
/** What of the last drop could not be taken. */ let refused = '';
/** When the connection was lost, in ms since 1970. @type {number | undefined} */ let lostAt = Date.now();
const began = Date.now();
/** @type {Set<() => void>} */ const drawers = new Set();
let asked = false;

/** Draws the page, once a frame. */
function draw() {
  lostAt = connection.state === 'open' ? undefined : lostAt ?? Date.now();
  if (asked) return;
  asked = true;
  const run = () => {
    asked = false;
    for (const again of drawers) again();
  };
  // A hidden page has no frames.
  if (document.hidden) setTimeout(run, 250);
  else requestAnimationFrame(run);
}

/** @param {{ folder: string, found: { file: File, path: string }[] }[]} all */
function add(all) {
  refused = all.some(({ found }) => found.length >= MOST) ? `A browser takes ${number(MOST)} files at once; the others of this folder were left out. “kith share” takes folders of any size.`
    : all.every(({ found }) => found.length === 0) && all.length > 0 ? 'There are no files in what was dropped.' : '';
  for (const { folder, found } of all) {
    if (found.length === 0) continue;
    const batch = new Batch(folder, found);
    batches = [batch, ...batches];
    batch.addEventListener('change', () => {
      if (batch.state === 'done') batches = batches.filter((one) => one !== batch);
      draw();
    });
  }
  draw();
}

/** What comes now, in all. */
function coming() {
  const all = [...shelf.files.values()].filter(({ stage }) => stage === 'fetching');
  const sum = (/** @type {(state: import('/.kith/kith.js').FileState) => number} */ of) => all.reduce((so_far, state) => so_far + of(state), 0);
  const [bytes, whole, fast] = [sum((state) => state.bytes), sum((state) => state.size), sum((state) => state.speed)];
  return { files: all.length, bytes, whole, fast, time: fast > 0 ? ((whole - bytes) / fast) * 1_000 : undefined };
}

function Coming() {
  const [, again] = useState(0);
  useEffect(() => {
    const changed = () => again((n) => n + 1);
    shelf.addEventListener('progress', changed);
    return () => shelf.removeEventListener('progress', changed);
  }, []);
  const { files, bytes, whole, fast, time } = coming();
  useEffect(() => { document.title = `${files > 0 ? `(${percent(bytes, whole)}) ` : ''}${shelf.me?.space_name || 'Drop'}`; });
  if (files === 0) return '';
  return html`<p class="coming" role="status"><${Icon} name="inbox" /><span>${[count(files, 'file comes', 'files come'), fast > 0 ? speed(fast) : '', time === undefined ? '' : left(time)].filter(Boolean).join(' · ')}</span></p>`;
}

/** Files on their way in. @param {{ batch: Batch }} props */
function Adding({ batch }) {
  const { jobs, bytes, folder } = batch;
  const wanted = jobs.filter(({ state }) => state !== 'left');
  const failed = jobs.filter(({ state }) => state === 'failed');
  const whole = wanted.reduce((sum, { file }) => sum + file.size, 0);
  const passed = Date.now() - batch.began;
  const fast = passed > PATIENCE ? (bytes / passed) * 1_000 : 0;
  const what = folder || (wanted.length === 1 ? wanted[0]?.file.name : count(wanted.length, 'file', 'files')) || '';
  const words = [`${size(bytes)} of ${size(whole)}`, wanted.length > 1 ? `${number(wanted.filter(({ state }) => state === 'done').length)} of ${count(wanted.length, 'file', 'files')}` : '',
    fast > 0 && bytes < whole ? speed(fast) : '', fast > 0 && bytes < whole ? left(((whole - bytes) / fast) * 1_000) : ''];
  return html`<article class="card adding" aria-label=${`Adding ${what}`}>
    <div class="row"><span class="picture"><${Icon} name=${folder ? 'folder-plus' : 'file-plus'} /></span>
      <div class="what"><span class="name"><bdi class="start">${batch.state === 'failed' ? 'Not all was added: ' : 'Adding '}${what}</bdi></span>
        <p class="sub">${words.filter(Boolean).join(' · ')}</p>
        <${Bar} part=${bytes} whole=${whole} label=${`How much of ${what} is added`} still=${batch.state !== 'adding'} /></div>
      <div class="acts"><button type="button" class="plain square" aria-label=${batch.state === 'failed' ? `Leave out what of ${what} was not added` : `Stop adding ${what}`} title=${batch.state === 'failed' ? 'Leave the rest out' : 'Stop'} onClick=${() => batch.cancel()}><${Icon} name="x" /></button></div></div>
    ${batch.state === 'failed' && batch.error && html`<${Fault} error=${batch.error}><button type="button" onClick=${() => batch.retry()}>Try again</button></${Fault}>`}
    ${failed.slice(0, 3).map(({ id, path, error }) => html`<div key=${id}><${Fault} error=${{ what: `${path}: ${error?.what ?? ''}`, why: error?.why ?? '', todo: error?.todo ?? '' }} /></div>`)}
    ${batch.state === 'failed' && failed.length > 0 && html`<div class="buttons">${failed.length > 3 && html`<span class="sub">${count(failed.length, 'file', 'files')} in all</span>`}
      <button type="button" onClick=${() => batch.retry()}>Try again</button><button type="button" onClick=${() => batch.leaveFailed()}>Leave ${failed.length === 1 ? 'it' : 'them'} out</button></div>`}
  </article>`;
}

/** The buttons that take files. */
function Choose() {
  const files = useRef(/** @type {HTMLInputElement | null} */ (null));
  const folder = useRef(/** @type {HTMLInputElement | null} */ (null));
  const take = (/** @type {Event} */ event) => {
    const field = /** @type {HTMLInputElement} */ (event.target);
    add(findOf([...field.files ?? []]));
    field.value = '';
  };
  return html`<div class="buttons">
    <input ref=${files} id="files" type="file" multiple hidden onChange=${take} /><input ref=${folder} id="folder" type="file" webkitdirectory hidden onChange=${take} />
    <button type="button" class="main" onClick=${() => files.current?.click()}><${Icon} name="file-plus" />Add files</button>
    <button type="button" onClick=${() => folder.current?.click()}><${Icon} name="folder-plus" />Add folder</button></div>`;
}

/** What is wrong with the page as a whole, and what can be done. */
function Banner() {
  const { error, state } = connection;
  if (shelf.state === 'refused' || state === 'refused') {
    return html`<${Fault} error=${error ?? shelf.error ?? { what: 'kith does not know this page any more.', why: '', todo: 'Open it again from kith.' }} />`;
  }
  if (shelf.state === 'failed') return html`<${Fault} error=${shelf.error}><button type="button" onClick=${() => shelf.start()}>Try again</button></${Fault}>`;
  if (lostAt === undefined || Date.now() - lostAt < LOST) return '';
  return html`<${Fault} error=${{ what: 'kith does not answer.', why: 'It was stopped, or is starting.', todo: 'This page goes on by itself when it is back.' }}><button type="button" onClick=${() => connection.retry()}>Try now</button></${Fault}>`;
}

/** Who is there. @param {{ open: () => void }} props */
function Presence({ open }) {
  const there = lostAt !== undefined && Date.now() - lostAt > LOST ? [] : [...shelf.online].filter((id) => id !== shelf.me?.id);
  const names = there.map((id) => shelf.name(id));
  if (shelf.state !== 'ready') return '';
  const words = lostAt !== undefined && Date.now() - lostAt > LOST ? 'Not connected' : names.length > 0 ? `${these(names)} ${names.length === 1 ? 'is' : 'are'} online` : shelf.members.size > 1 ? 'Nobody else is online' : 'Only you so far';
  return html`<button type="button" class="plain presence" aria-haspopup="dialog" onClick=${open}>
    <span class="faces">${there.slice(0, 3).map((id) => html`<${Face} key=${id} id=${id} name=${shelf.name(id)} small />`)}</span><span>${words}</span></button>`;
}

/** @param {{ item: Item, close: () => void }} props */
function Remove({ item, close }) {
  const [error, setError] = useState(/** @type {any} */ (undefined));
  const holders = shelf.holders(item);
  const mine = item.author === shelf.me?.id;
  const held = shelf.files.get(item.hash)?.bytes ?? 0;
  const run = () => shelf.remove(item).then(close, setError);
  return html`<${Dialog} title=${`Remove ${item.name} from this device?`} close=${close}>
    ${held > 0 && html`<p>${mine ? `Up to ${size(held)} are freed.` : `This frees ${size(held)}.`}</p>`}
    <p>${holders.length > 0 ? `It stays with ${these(holders.map((id) => shelf.name(id)))}, and can come again from there while they are online.`
      : mine ? 'Nobody else is known to have it. If nobody has, it can’t come back from here; the file that you added it from stays where it is.' : 'Nobody else is known to have it: it may not come back.'}</p>
    ${error && html`<${Fault} error=${error} />`}
    <div class="buttons end"><button type="button" autofocus onClick=${close}>Keep it</button><button type="button" class="bad" onClick=${run}>Remove it</button></div>
  </${Dialog}>`;
}

/** Whether the page is wide enough for the link to stand beside the files. */
function useWide() {
  const query = matchMedia(WIDE);
  const [wide, setWide] = useState(query.matches);
  useEffect(() => {
    const changed = () => setWide(query.matches);
    query.addEventListener('change', changed);
    return () => query.removeEventListener('change', changed);
  }, []);
  return wide;
}

/** Whether files are held over the page. */
function useOver() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const has = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes('Files') ?? false;
    const come = (/** @type {DragEvent} */ event) => {
      if (!has(event)) return;
      event.preventDefault();
      if (event.dataTransfer) event.dataTransfer.dropEffect = 'copy';
      setOver(true);
    };
    const go = (/** @type {DragEvent} */ event) => { if (event.relatedTarget === null) setOver(false); };
    const drop = (/** @type {DragEvent} */ event) => {
      if (!has(event) || !event.dataTransfer) return;
      event.preventDefault();
      setOver(false);
      findIn(event.dataTransfer).then(add, (error) => { refused = `What was dropped can’t be read. ${String(error)}`; draw(); });
    };
    const paste = (/** @type {ClipboardEvent} */ event) => {
      const files = [...event.clipboardData?.files ?? []];
      if (files.length > 0) add(findOf(files));
    };
    addEventListener('dragenter', come);
    addEventListener('dragover', come);
    addEventListener('dragleave', go);
    addEventListener('drop', drop);
    addEventListener('paste', paste);
  }, []);
  return over;
}

function Page() {
  const [, again] = useState(0);
  useEffect(() => { drawers.add(() => again((n) => n + 1)); }, []);
  const [shown, setShown] = useState(GROUPS);
  const [viewed, setViewed] = useState(/** @type {Item | undefined} */ (undefined));
  const [removed, setRemoved] = useState(/** @type {Item | undefined} */ (undefined));
  const [inviting, setInviting] = useState(false);
  const wide = useWide();
  const over = useOver();
  const view = (/** @type {Item} */ item) => {
    setViewed(item);
    // What is looked at is wanted whole.
    if (shelf.stage(item.hash) === 'absent') shelf.fetch([item]).catch(() => {});
  };
  const ready = shelf.state === 'ready';
  const empty = ready && shelf.groups.length === 0 && batches.length === 0;
  const more = shelf.groups.length > shown || shelf.older;
  const older = async () => {
    if (shelf.groups.length <= shown) await shelf.loadOlder().catch(() => {});
    setShown(shown + GROUPS);
  };
  return html`
    <header class="top"><h1 dir="auto">${shelf.me?.space_name || 'Drop'}</h1><${Presence} open=${() => setInviting(true)} />
      ${!wide && ready && html`<button type="button" class="main" aria-haspopup="dialog" onClick=${() => setInviting(true)}><${Icon} name="user-plus" />Invite</button>`}</header>
    <div class="columns"><main>
      <${Banner} />
      ${refused && html`<${Fault} error=${{ what: refused, why: '', todo: '' }}><button type="button" onClick=${() => { refused = ''; draw(); }}>Got it</button></${Fault}>`}
      ${ready && html`<div class=${`take ${empty ? 'empty' : ''}`}>
        ${empty && html`<${Icon} name="inbox" /><h2>Nothing here yet</h2>`}
        <p class="sub">${empty ? 'Drop files or folders of any size here. They stay on this device, and go to whoever you share the link with.' : 'Drop files or folders anywhere here.'}</p><${Choose} /></div>`}
      ${ready && connection.state === 'open' && html`<${Coming} />`}
      ${!ready && shelf.state === 'loading' && Date.now() - began > PATIENCE && html`<p class="wait" role="status">Reads what is here…</p>`}
      ${shelf.state !== 'refused' && html`<div class="cards" aria-busy=${shelf.state === 'loading'}>
        ${batches.map((batch) => html`<${Adding} key=${`batch ${batch.id}`} batch=${batch} />`)}
        ${shelf.groups.slice(0, shown).map((group) => html`<${Card} key=${group.key} shelf=${shelf} group=${group} open=${view} remove=${setRemoved} />`)}
      </div>`}
      ${ready && more && html`<button type="button" class="older" onClick=${older}>Show older files</button>`}
    </main>
    ${wide && ready && html`<aside><${Invite} /><${People} shelf=${shelf} /></aside>`}</div>
    ${over && html`<div class="over" aria-hidden="true"><p><${Icon} name="download" />Drop to add</p></div>`}
    <p class="sr" role="status">${news}</p>
    ${viewed && html`<${Viewer} shelf=${shelf} item=${viewed} close=${() => setViewed(undefined)} />`}
    ${removed && html`<${Remove} item=${removed} close=${() => setRemoved(undefined)} />`}
    ${inviting && html`<${Dialog} title="Link and people" close=${() => setInviting(false)} class="sheet"><${Invite} /><${People} shelf=${shelf} /></${Dialog}>`}`;
}

shelf.addEventListener('change', draw);
shelf.addEventListener('dropped', (event) => {
  const group = /** @type {CustomEvent<import('./shelf.js').Group>} */ (event).detail;
  if (group.author !== shelf.me?.id) news = `${shelf.name(group.author)} added ${group.folder || count(group.items.length, 'file', 'files')}.`;
});
addEventListener('beforeunload', (event) => {
  if (batches.some(({ state }) => state === 'adding')) event.preventDefault();
});
// What is said after a while is due although nothing changes.
setTimeout(draw, PATIENCE + 50);
connection.addEventListener('state', () => setTimeout(draw, LOST + 50));

const page = document.getElementById('page');
if (page) render(html`<${Page} />`, page);
void shelf.start();
