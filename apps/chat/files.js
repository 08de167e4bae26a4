// The files of a message: pictures, films and sounds to look at and hear, cards for all else.
import { blobs } from '/.kith/kith.js';

import { button, el, icon } from './parts.js';
import { lengthOf, sizeOf } from './words.js';

/** @import { FileState } from '/.kith/kith.js' */
/** @import { Message } from './room.js' */

/**
 * A file of a message. While it is still to be sent its hash is empty, and `blob` and `preview` stand for it.
 * @typedef {object} MessageFile
 * @property {string} hash
 * @property {string} name
 * @property {string} type
 * @property {number} size
 * @property {boolean} folder
 * @property {string} url
 * @property {number} [width] Of a picture or film, in px, as its sender measured it.
 * @property {number} [height]
 * @property {Blob} [blob]
 * @property {string} [preview] The address of the blob, for this page.
 * @property {Promise<[number, number] | null>} [measured]
 * @property {number} [sent] Bytes that were sent.
 */

/**
 * What files are drawn by.
 * @typedef {object} FileActs
 * @property {(file: MessageFile) => FileState | undefined} state
 * @property {() => boolean} known Whether states were told yet.
 * @property {(file: MessageFile) => void} want A picture is looked at.
 * @property {(id: string) => boolean} plays
 * @property {(id: string) => void} play
 * @property {(id: string) => boolean} broken
 * @property {(id: string) => void} fail
 * @property {(message: Message, at: number) => void} show
 * @property {(words: string) => void} say
 */

/** How a picture of unknown sides is drawn: most of what people photograph. */
const USUAL = { width: 4, height: 3 };
/** A film's or picture's longest and widest shape, so that none is a line. */
const SHAPES = { longest: 0.5, widest: 3 };
/** The room of a picture, in px, and the least that it has. */
const SIDES = { wide: 320, high: 360, least: 96 };
/** How long a picture's sides are waited for, in ms. */
const MEASURING = 3_000;

/** @typedef {'picture' | 'film' | 'sound' | 'folder' | 'file'} Kind */
/** @param {MessageFile} file @returns {Kind} */
export function kindOf({ type, folder }) {
  if (folder) return 'folder';
  if (/^image\/(?!svg)/.test(type)) return 'picture';
  return type.startsWith('video/') ? 'film' : type.startsWith('audio/') ? 'sound' : 'file';
}
const ICONS = { picture: 'image', film: 'film', sound: 'music', folder: 'folder', file: 'file' };
const NAMES = { picture: 'Picture', film: 'Film', sound: 'Sound', folder: 'Folder', file: 'File' };

/** What a message says, in words alone. @param {Message} message */
export function summary({ text, files }) {
  return [text, ...files.map((file) => `${NAMES[kindOf(file)]}: ${file.name}`)].filter(Boolean).join(' · ');
}

/** A chosen file, with what is seen of it before it is sent. @param {File} blob @returns {MessageFile} */
export function chosen(blob) {
  const preview = URL.createObjectURL(blob);
  /** @type {MessageFile} */ const file = { hash: '', name: blob.name, type: blob.type.split(';')[0] ?? '', size: blob.size, folder: false, url: '', blob, preview };
  file.measured = measure(file);
  void file.measured.then((sides) => { if (sides) [file.width, file.height] = sides; });
  return file;
}

/** A file that the person brought here from another app: kith has it already. @param {import('/.kith/kith.js').FileRef} ref @returns {MessageFile} */
export function brought(ref) {
  /** @type {MessageFile} */ const file = { ...ref, preview: ref.url };
  file.measured = measure(file);
  void file.measured.then((sides) => { if (sides) [file.width, file.height] = sides; });
  return file;
}

/** The sides that go with the message. @param {MessageFile} file */
export async function lookOf({ measured, width, height }) {
  await measured;
  return width && height ? [width, height] : await measured ?? null;
}

/** @param {MessageFile} file @returns {Promise<[number, number] | null>} */
async function measure(file) {
  const kind = kindOf(file);
  if (kind !== 'picture' && kind !== 'film') return null;
  return new Promise((resolve) => {
    const done = (/** @type {number} */ width, /** @type {number} */ height) => resolve(width > 0 && height > 0 ? [width, height] : null);
    setTimeout(() => resolve(null), MEASURING);
    if (kind === 'picture') {
      const image = new Image();
      image.onload = () => done(image.naturalWidth, image.naturalHeight);
      image.onerror = () => resolve(null);
      image.src = file.preview ?? '';
    } else {
      const film = Object.assign(document.createElement('video'), { preload: 'metadata', muted: true });
      film.onloadedmetadata = () => done(film.videoWidth, film.videoHeight);
      film.onerror = () => resolve(null);
      film.src = file.preview ?? '';
    }
  });
}

/** Which file of which message. @param {Message} message @param {number} at */
const idOf = (message, at) => `${message.key}/${at}`;

/** What a file is drawn by: when it changes, the row is drawn anew. @param {Message} message @param {FileActs} acts */
export function filesLook(message, acts) {
  return message.files.map((file, at) => {
    const id = idOf(message, at);
    if (acts.broken(id)) return 'broken';
    // A film that plays is not drawn anew under its person's eyes.
    if (acts.plays(id)) return 'plays';
    return message.waits ? `${message.waits} ${file.width}` : acts.state(file)?.stage ?? (acts.known() ? 'absent' : '');
  }).join();
}

/** What is said of a file below its name. @param {Message} message @param {MessageFile} file @param {FileActs} acts */
function status(message, file, acts) {
  if (message.waits === 'sending' && file.hash === '') {
    if (file.sent && file.sent >= file.size) return `${sizeOf(file.size)}, sent`;
    return file.sent ? `${sizeOf(file.sent)} of ${sizeOf(file.size)} sent` : `${sizeOf(file.size)}, waits`;
  }
  const state = acts.state(file);
  switch (state?.stage) {
    case 'waiting': return `${sizeOf(file.size)}. Nobody who has it is here; it comes when they do.`;
    case 'fetching': return [`${sizeOf(state.bytes)} of ${sizeOf(state.size)}`, state.speed > 0 ? sizeOf(state.speed, true) : '',
      state.left === null ? '' : `${lengthOf(state.left)} left`].filter(Boolean).join(' · ');
    case 'paused': return `Paused at ${sizeOf(state.bytes)} of ${sizeOf(state.size)}`;
    case 'failed': return [state.error?.what, state.error?.why, state.error?.todo].filter(Boolean).join(' ');
    case 'absent': case 'complete': case undefined: return sizeOf(file.size);
  }
}

/** How far a file is, from 0 to 1, where that is of interest. @param {Message} message @param {MessageFile} file @param {FileActs} acts */
function progress(message, file, acts) {
  if (message.waits === 'sending') return file.hash === '' ? (file.sent ?? 0) / Math.max(file.size, 1) : 1;
  const state = acts.state(file);
  return state && ['fetching', 'paused', 'waiting'].includes(state.stage) ? state.bytes / Math.max(state.size, 1) : undefined;
}

/** Brings what moves up to date, without drawing it anew. @param {HTMLElement} node @param {Message} message @param {FileActs} acts */
export function touchFiles(node, message, acts) {
  message.files.forEach((file, at) => {
    const item = node.querySelector(`[data-file="${at}"]`);
    const line = item?.querySelector('.state');
    const words = status(message, file, acts);
    if (line && line.textContent !== words) line.textContent = words;
    const bar = item?.querySelector('progress');
    const done = progress(message, file, acts);
    if (bar && done !== undefined) bar.value = done;
  });
}

/** @param {Message} message @param {FileActs} acts */
export function drawFiles(message, acts) {
  const seen = message.files.filter((file) => kindOf(file) === 'picture').length;
  return el('ul', { class: seen > 1 && seen === message.files.length ? 'files many' : 'files', role: 'list' }, ...message.files.map((file, at) => (
    el('li', { 'data-file': at }, draw(message, file, at, acts))
  )));
}

/** @param {Message} message @param {MessageFile} file @param {number} at @param {FileActs} acts */
function draw(message, file, at, acts) {
  const id = idOf(message, at);
  const here = Boolean(message.waits) || acts.state(file)?.stage === 'complete';
  const kind = acts.broken(id) ? 'file' : kindOf(file);
  if (!file.preview && !file.url) return card(message, file, at, acts);
  if (kind === 'picture') return here ? picture(message, file, at, acts) : coming(message, file, acts);
  if (kind === 'film') return here || acts.plays(id) ? film(message, file, at, acts) : curtain(message, file, at, acts);
  if (kind === 'sound' && (here || acts.plays(id))) {
    const node = /** @type {HTMLAudioElement} */ (el('audio', { controls: '', preload: 'metadata', src: file.preview ?? file.url, 'aria-label': file.name }));
    node.autoplay = begins(id, acts);
    return el('div', { class: 'sound' }, el('span', { class: 'name' }, el('bdi', {}, file.name)), node, bar(message, file, acts));
  }
  return card(message, file, at, acts);
}

/** What the person has begun to play: it begins by itself once, not each time it is drawn. @type {Set<string>} */
const begun = new Set();
/** @param {string} id @param {FileActs} acts */
function begins(id, acts) {
  if (!acts.plays(id) || begun.has(id)) return false;
  begun.add(id);
  return true;
}

/** @param {MessageFile} file */
function shape({ width, height }) {
  const sides = width && height ? { width, height } : USUAL;
  const ratio = Math.min(SHAPES.widest, Math.max(SHAPES.longest, sides.width / sides.height));
  const wide = Math.round(Math.max(SIDES.least, Math.min(SIDES.wide, SIDES.high * ratio, width ?? Infinity)));
  return `--ratio: ${ratio.toFixed(4)}; --wide: ${wide}px`;
}

/** @param {Message} message @param {MessageFile} file @param {FileActs} acts */
function bar(message, file, acts) {
  const done = progress(message, file, acts);
  return done === undefined ? undefined : el('progress', { max: 1, value: done, 'aria-label': message.waits ? `${file.name}: sent` : `${file.name}: here` });
}

/** @param {Message} message @param {MessageFile} file @param {number} at @param {FileActs} acts */
function picture(message, file, at, acts) {
  const image = /** @type {HTMLImageElement} */ (el('img', { src: file.preview ?? file.url, alt: `Picture: ${file.name}`, decoding: 'async', draggable: 'false' }));
  image.addEventListener('error', () => acts.fail(idOf(message, at)));
  const node = el('button', { type: 'button', class: 'picture', style: shape(file), 'aria-haspopup': 'dialog' }, image);
  node.addEventListener('click', () => acts.show(message, at));
  return el('div', {}, node, message.waits === 'sending' ? el('p', { class: 'state' }, status(message, file, acts)) : undefined, bar(message, file, acts));
}

/** A picture that is not here yet, in its place. @param {Message} message @param {MessageFile} file @param {FileActs} acts */
function coming(message, file, acts) {
  acts.want(file);
  const node = el('div', { class: 'picture coming', style: shape(file), role: 'group', 'aria-label': `Picture: ${file.name}` }, icon('image'));
  if (!acts.known()) return node;
  node.append(el('p', { class: 'state' }, status(message, file, acts)));
  const more = steer(file, acts, 'Show it');
  if (more) node.append(more);
  const line = bar(message, file, acts);
  if (line) node.append(line);
  return node;
}

/** @param {Message} message @param {MessageFile} file @param {number} at @param {FileActs} acts */
function film(message, file, at, acts) {
  const id = idOf(message, at);
  const node = /** @type {HTMLVideoElement} */ (el('video', { controls: '', preload: 'metadata', playsinline: '', style: shape(file), src: file.preview ?? file.url, 'aria-label': file.name }));
  node.autoplay = begins(id, acts);
  node.addEventListener('error', () => acts.fail(id));
  return el('div', { class: 'film' }, node, message.waits ? el('p', { class: 'state' }, status(message, file, acts)) : undefined, bar(message, file, acts));
}

/** A film that is not here: it plays while it comes. @param {Message} message @param {MessageFile} file @param {number} at @param {FileActs} acts */
function curtain(message, file, at, acts) {
  const play = el('button', { type: 'button', class: 'play', 'aria-label': `Play ${file.name}` }, icon('play'));
  play.addEventListener('click', () => acts.play(idOf(message, at)));
  return el('div', { class: 'picture coming', style: shape(file), role: 'group', 'aria-label': `Film: ${file.name}` }, play,
    el('p', { class: 'name' }, el('bdi', {}, file.name)), el('p', { class: 'state' }, status(message, file, acts)), bar(message, file, acts));
}

/** @param {Message} message @param {MessageFile} file @param {number} at @param {FileActs} acts */
function card(message, file, at, acts) {
  const kind = kindOf(file);
  const stage = acts.state(file)?.stage ?? 'absent';
  const node = el('div', { class: stage === 'failed' ? 'card bad' : 'card' }, icon(stage === 'failed' ? 'circle-alert' : ICONS[kind]),
    el('div', { class: 'what' }, el('span', { class: 'name' }, el('bdi', {}, file.name)), el('span', { class: 'state' }, status(message, file, acts)), bar(message, file, acts)));
  if (message.waits) return node;
  if (kind === 'sound') node.append(button(`Play ${file.name}`, 'play', () => acts.play(idOf(message, at))));
  else if (kind !== 'folder' && stage === 'complete') {
    node.append(el('a', { class: 'icon save', href: blobs.url(file, { download: true }), download: file.name, 'aria-label': `Save ${file.name}`, title: 'Save' }, icon('download')));
  } else {
    const more = acts.known() && stage !== 'complete' ? steer(file, acts) : undefined;
    if (more) node.append(more);
  }
  return node;
}

/** The button that fits how a file stands. @param {MessageFile} file @param {FileActs} acts @param {string} [get] */
function steer(file, acts, get = 'Get it') {
  const ask = (/** @type {'fetch' | 'pause'} */ what) => () => void blobs[what](file.hash).catch((error) => acts.say(error.message));
  const stage = acts.state(file)?.stage ?? 'absent';
  const name = (/** @type {string} */ label) => { const node = button(label, undefined, stage === 'fetching' || stage === 'waiting' ? ask('pause') : ask('fetch')); node.setAttribute('aria-label', `${label}: ${file.name}`); return node; };
  if (stage === 'absent' || stage === 'failed') return name(stage === 'failed' ? 'Try again' : get);
  return stage === 'paused' ? name('Go on') : stage === 'complete' ? undefined : name('Pause');
}
