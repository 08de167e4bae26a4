// How what was dropped looks: groups, and in them files.
import { blobs } from '/.kith/kith.js';

import { html, useEffect, useState } from './html.js';
import { Act, Bar, Face, Fault, fault, Icon } from './parts.js';
import { canSaveAll, filesOf, saveAll } from './saving.js';
import { BY_ITSELF } from './shelf.js';
import { count, cut, left, momentOf, percent, size, speed, these, way, when } from './words.js';

/** @import { Group, Item, Shelf } from './shelf.js' */
/** @import { FileState, FolderFile } from '/.kith/kith.js' */

/** Files of a group that are drawn at first, and how many more at once. */
const SHOWN = 6;
const MORE = 100;
/** Pictures up to this size are shown small beside their name, in bytes. */
const THUMBNAIL = 25_000_000;
/** Files of a folder that are asked for at once. */
const OF_FOLDER = 100;

/** What can be shown in the page itself. @param {string} type */
export function kindOf(type) {
  if (/^image\/(?!svg)/.test(type)) return 'picture';
  if (type.startsWith('video/')) return 'video';
  if (type.startsWith('audio/')) return 'audio';
  return '';
}

const PICTURES = /** @type {Record<string, string>} */ ({ picture: 'image', video: 'film', audio: 'music' });
const OPEN = /** @type {Record<string, string>} */ ({ picture: 'Look at', video: 'Play', audio: 'Play' });

/** Draws anew when the file's state changes. @param {Shelf} shelf @param {string} hash */
function useFile(shelf, hash) {
  const [, draw] = useState(0);
  useEffect(() => shelf.watch(hash, () => draw((n) => n + 1)), [hash]);
  return shelf.files.get(hash);
}

/** A name whose end stays in view. @param {{ name: string, act?: () => void }} props `act`: what the button beside it does, for who presses the name. */
const Name = ({ name, act }) => {
  const [start, end] = cut(name);
  return html`<span class="name" title=${name} dir=${way(name)} onClick=${act}><bdi class="start">${start}</bdi><bdi class="end">${end}</bdi></span>`;
};

/** A small picture, or what kind of file it is. @param {{ item: { name: string, type: string, folder?: boolean, size: number, url: string }, here: boolean }} props */
function Picture({ item, here }) {
  const [broken, setBroken] = useState(false);
  const kind = kindOf(item.type);
  // One that is still with others would keep one of the browser's few connections.
  if (kind === 'picture' && here && !broken && item.size <= THUMBNAIL) {
    return html`<img class="picture" src=${item.url} alt="" loading="lazy" decoding="async" width="48" height="48" onError=${() => setBroken(true)} />`;
  }
  return html`<span class="picture"><${Icon} name=${item.folder ? 'folder' : PICTURES[kind] ?? 'file'} /></span>`;
}

/** Those who gave a file, or give it now. @param {Shelf} shelf @param {FileState | undefined} state @param {(source: FileState['from'][number]) => boolean} which */
const names = (shelf, state, which) => [...new Set((state?.from ?? []).flatMap((source) => (which(source) && source.member ? [shelf.name(source.member)] : [])))];

/** How a file stands, in words. @param {{ shelf: Shelf, item: Item, state: import('/.kith/kith.js').FileState | undefined }} props */
function Words({ shelf, item, state }) {
  const stage = state?.stage ?? 'absent';
  const whole = shelf.sizeOf(item) ?? item.size;
  const within = item.total ? ` in ${count(item.total.files, 'file', 'files')}` : '';
  const known = shelf.sizeOf(item) === undefined ? 'Folder' : `${size(whole)}${within}`;
  const holders = shelf.holders(item);
  const mine = item.author === shelf.me?.id;
  const from = these(names(shelf, state, ({ sending }) => sending));
  // Who gave the pieces that are here; more than one have it, or had.
  const gave = names(shelf, state, ({ bytes }) => bytes > 0);
  switch (stage) {
    case 'complete': {
      const getting = shelf.receivers(item).map(({ id, bytes }) => `${shelf.name(id)} has ${percent(bytes, whole)}`);
      const with_ = holders.length > 0 ? `with ${these(holders.map((id) => shelf.name(id)))}` : '';
      const here = mine ? '' : gave.length > 0 ? `here, from ${these(gave)}` : 'here';
      return html`<span>${[known, here, with_, ...getting].filter(Boolean).join(' · ')}</span>`;
    }
    case 'fetching': return html`<span>${[`${size(state?.bytes ?? 0)} of ${known}`, state && state.speed > 0 ? speed(state.speed) : '', typeof state?.left === 'number' ? left(state.left) : '',
      from ? `from ${from}` : ''].filter(Boolean).join(' · ')}</span>`;
    case 'waiting': {
      const away = !shelf.online.has(item.author) && holders.every((id) => !shelf.online.has(id));
      return html`<span>${[known, away && !mine ? `waits for ${shelf.name(item.author)}, who is away` : 'waits for somebody who has it', state && state.bytes > 0 ? `${percent(state.bytes, whole)} is here` : ''].filter(Boolean).join(' · ')}</span>`;
    }
    case 'paused': return html`<span>${[known, `paused at ${percent(state?.bytes ?? 0, whole)}`, gave.length > 0 ? `came from ${these(gave)}` : ''].filter(Boolean).join(' · ')}</span>`;
    case 'failed': return html`<span class="bad">${[state?.error?.what, state?.error?.why, state?.error?.todo].filter(Boolean).join(' ') || 'It failed.'}</span>`;
    default: return html`<span>${known} · ${mine ? 'removed from this device' : holders.length > 0 ? `with ${these(holders.map((id) => shelf.name(id)))}` : 'not here'}</span>`;
  }
}

/** @param {{ shelf: Shelf, item: Item, grouped: boolean, open: (item: Item) => void, remove: (item: Item) => void }} props */
export function File({ shelf, item, grouped, open, remove }) {
  const state = useFile(shelf, item.hash);
  const [error, setError] = useState(/** @type {{ what: string, why: string, todo: string } | undefined} */ (undefined));
  const [inside, setInside] = useState(false);
  const stage = state?.stage ?? 'absent';
  const kind = kindOf(item.type);
  const comes = stage === 'fetching' || stage === 'waiting';
  const path = grouped && item.path.includes('/') ? item.path.slice(item.path.indexOf('/') + 1) : item.name;
  const opens = item.folder || kind !== '';
  const show = () => (item.folder ? setInside(!inside) : open(item));
  return html`<li class=${`file ${stage}`}>
    <div class="row">
      ${opens ? html`<button type="button" class="plain shows" aria-label=${item.folder ? `Files in ${item.name}` : `${OPEN[kind]} ${item.name}`} aria-expanded=${item.folder ? inside : undefined} onClick=${show}>
        <${Picture} item=${item} here=${stage === 'complete'} /></button>` : html`<${Picture} item=${item} here=${stage === 'complete'} />`}
      <div class=${`what ${opens ? 'opens' : ''}`}>
        <${Name} name=${path} act=${opens ? show : undefined} />
        <p class="sub"><${Words} shelf=${shelf} item=${item} state=${state} /></p>
        ${(comes || stage === 'paused') && state && html`<${Bar} part=${state.bytes} whole=${state.size || item.size} label=${`How much of ${item.name} is here`} still=${stage !== 'fetching'} />`}
      </div>
      <div class="acts">
        ${opens && !item.folder && kind !== 'picture' && html`<button type="button" class="plain square" aria-label=${`Play ${item.name}`} title="Play" onClick=${show}><${Icon} name="play" /></button>`}
        ${stage === 'absent' && html`<${Act} act=${() => shelf.fetch([item])} failed=${setError} label=${`Get ${item.name}`}>Get</${Act}>`}
        ${comes && html`<${Act} act=${() => shelf.pause(item)} failed=${setError} label=${`Pause ${item.name}`} icon="pause" />`}
        ${stage === 'paused' && html`<${Act} act=${() => shelf.fetch([item])} failed=${setError} label=${`Go on with ${item.name}`}>Go on</${Act}>`}
        ${stage === 'failed' && html`<${Act} act=${() => shelf.fetch([item])} failed=${setError} label=${`Try ${item.name} again`}>Try again</${Act}>`}
        ${item.folder ? html`<${SaveAll} name=${item.name} files=${() => filesOf(item.hash)} small failed=${setError} />`
          : html`<a class="button plain square" href=${blobs.url(item, { download: true })} download=${item.name} aria-label=${`Save ${item.name}`} title="Save to your downloads"><${Icon} name="download" /></a>`}
        ${stage !== 'absent' && html`<button type="button" class="plain square" aria-label=${`Remove ${item.name} from this device`} title="Remove from this device" onClick=${() => remove(item)}><${Icon} name="trash-2" /></button>`}
      </div>
    </div>
    ${error && html`<${Fault} error=${error} />`}
    ${inside && html`<${Folder} item=${item} open=${open} here=${stage === 'complete'} />`}
  </li>`;
}

/** The files of a folder that was shared whole. @param {{ item: Item, here: boolean, open: (item: Item) => void }} props */
function Folder({ item, here, open }) {
  const [files, setFiles] = useState(/** @type {FolderFile[]} */ ([]));
  const [more, setMore] = useState(false);
  const [error, setError] = useState(/** @type {{ what: string, why: string, todo: string } | undefined} */ (undefined));
  const [waits, setWaits] = useState(true);
  const read = async (/** @type {string | undefined} */ after) => {
    setWaits(true);
    setError(undefined);
    try {
      const page = await blobs.files(item.hash, { after, limit: OF_FOLDER });
      setFiles((all) => (after === undefined ? page.files : [...all, ...page.files]));
      setMore(page.more);
    } catch (thrown) {
      setError(fault(thrown));
    }
    setWaits(false);
  };
  useEffect(() => { void read(undefined); }, []);
  const last = files.at(-1)?.path;
  return html`<div class="inside">
    ${error ? html`<${Fault} error=${error}><button type="button" onClick=${() => read(last)}>Try again</button></${Fault}>` : ''}
    ${waits && files.length === 0 && html`<p class="sub" role="status">Reads what is in the folder…</p>`}
    ${!waits && !error && files.length === 0 && html`<p class="sub">The folder is empty.</p>`}
    <ul class="files">${files.filter(({ path }) => !path.endsWith('/')).map((file) => {
      const name = file.path.split('/').at(-1) ?? file.path;
      const kind = kindOf(file.type);
      const one = { ...item, ...file, folder: false, name, key: file.url };
      return html`<li class="file" key=${file.path}><div class="row">
        ${kind ? html`<button type="button" class="plain shows" aria-label=${`${OPEN[kind]} ${name}`} onClick=${() => open(one)}><${Picture} item=${one} here=${here} /></button>` : html`<${Picture} item=${one} here=${here} />`}
        <div class=${`what ${kind ? 'opens' : ''}`}><${Name} name=${file.path} act=${kind ? () => open(one) : undefined} /><p class="sub">${size(file.size)}</p></div>
        <div class="acts"><a class="button plain square" href=${blobs.url(file, { download: true })} download=${name} aria-label=${`Save ${name}`} title="Save to your downloads"><${Icon} name="download" /></a></div>
      </div></li>`;
    })}</ul>
    ${more && html`<button type="button" aria-disabled=${waits} onClick=${() => !waits && read(last)}>${waits ? 'Reads…' : 'Show more'}</button>`}
  </div>`;
}

/**
 * Saves several files to a folder, and says how far it is.
 * @param {{ name: string, files: () => Iterable<import('./saving.js').Saved> | AsyncIterable<import('./saving.js').Saved>, small?: boolean, failed: (error: any) => void }} props
 */
function SaveAll({ name, files, small = false, failed }) {
  const [done, setDone] = useState(/** @type {{ files: number, bytes: number } | undefined} */ (undefined));
  const [end, setEnd] = useState(/** @type {AbortController | undefined} */ (undefined));
  const [said, setSaid] = useState('');
  if (!canSaveAll) return '';
  const run = async () => {
    const stop = new AbortController();
    failed(undefined);
    setSaid('');
    setEnd(stop);
    try {
      if (await saveAll(name, files(), (now) => setDone({ ...now }), stop.signal)) setSaid('Saved');
    } catch (error) {
      if (!stop.signal.aborted) failed({ ...fault(error), what: `Not all of ${name} was saved.` });
    }
    setEnd(undefined);
    setDone(undefined);
  };
  if (end) return html`<button type="button" onClick=${() => end.abort()}>${done ? `${count(done.files, 'file', 'files')}, ${size(done.bytes)} · ` : ''}Stop</button>`;
  const label = `Save all of ${name} to a folder`;
  return html`${said && html`<span class="sub" role="status">${said}</span>`}<button type="button" class=${small ? 'plain square' : ''} aria-label=${label} title=${label} onClick=${run}>
    <${Icon} name="download" />${small ? '' : 'Save all'}</button>`;
}

/** @param {{ shelf: Shelf, group: Group, open: (item: Item) => void, remove: (item: Item) => void }} props */
export function Card({ shelf, group, open, remove }) {
  const [shown, setShown] = useState(SHOWN);
  const [error, setError] = useState(/** @type {{ what: string, why: string, todo: string } | undefined} */ (undefined));
  const name = shelf.name(group.author);
  const many = group.items.length > 1;
  const rest = group.items.length - shown;
  const absent = group.items.filter(({ hash }) => shelf.stage(hash) === 'absent');
  const mine = group.author === shelf.me?.id;
  const sizes = group.items.map((item) => shelf.sizeOf(item));
  const whole = sizes.every((one) => one !== undefined) ? `, ${size(sizes.reduce((sum, one) => sum + (one ?? 0), 0))}` : '';
  // The folder that was dropped is made anew by its name: paths begin with it.
  const files = () => group.items.filter(({ folder }) => !folder).map(({ path, name, size, url }) => ({ size, url, path: group.folder && path.includes('/') ? path.slice(path.indexOf('/') + 1) : name }));
  return html`<article class="card" aria-label=${`${name}: ${group.folder || (many ? count(group.items.length, 'file', 'files') : group.items[0]?.name)}`}>
    <header>
      <${Face} id=${group.author} name=${mine ? shelf.me?.name ?? '' : name} />
      <div class="what"><h2>${group.folder ? html`<${Icon} name="folder" /><bdi>${group.folder}</bdi>` : html`<bdi>${name}</bdi>`}</h2>
        <p class="sub">${group.folder && html`<bdi>${name}</bdi> · `}<time datetime=${new Date(group.time).toISOString()} title=${momentOf(group.time)}>${when(group.time)}</time>${many && ` · ${count(group.items.length, 'file', 'files')}${whole}`}</p></div>
      ${many && absent.length > 1 && html`<${Act} act=${() => shelf.fetch(absent)} failed=${setError} label=${`Get all that is not here of what ${name} added`}>Get all</${Act}>`}
      ${many && group.items.every(({ folder }) => !folder) && html`<${SaveAll} name=${group.folder || `Files from ${mine ? shelf.me?.name : name}`} files=${files} failed=${setError} />`}
    </header>
    ${error && html`<${Fault} error=${error} />`}
    <ul class="files">${group.items.slice(0, shown).map((item) => html`<${File} key=${item.key} shelf=${shelf} item=${item} grouped=${group.folder !== ''} open=${open} remove=${remove} />`)}</ul>
    ${rest > 0 && html`<button type="button" class="plain more" onClick=${() => setShown(shown + MORE)}>Show ${rest > MORE ? `${MORE} of ` : ''}${count(rest, 'more file', 'more files')}</button>`}
  </article>`;
}

/** What small files do, in words. */
export const BY_ITSELF_WORDS = `Files up to ${size(BY_ITSELF)} come by themselves while this page is open`;
