// How one row of the thread looks.
import { drawFiles, summary } from './files.js';
import { button, el, icon } from './parts.js';
import { addressesIn, dayName, hueOf, initials, momentOf, timeOf } from './words.js';

/** @import { Message } from './room.js' */

/** Characters of a message that are shown before the rest is asked for. */
const SHOWN = 4_000;

/**
 * What a message's buttons do.
 * @typedef {object} Acts
 * @property {(message: Message) => void} reply
 * @property {(message: Message) => void} find
 * @property {(key: string) => void} retry
 * @property {(key: string) => void} discard
 * @property {(key: string) => void} expand
 * @property {(key: string) => void} cancel
 * @property {import('./files.js').FileActs} files
 */

/** A circle with someone's initials. @param {string} id @param {string} name */
export const face = (id, name) => el('span', { class: `face hue-${hueOf(id)}`, 'aria-hidden': 'true' }, initials(name));

/** @param {number} time */
export const drawDay = (time) => el('div', { class: 'day', role: 'separator' }, el('span', {}, dayName(time)));

/** @param {string} words */
export const drawNew = (words) => el('div', { class: 'new', role: 'separator' }, el('span', {}, words));

/**
 * @param {Message} message
 * @param {{ name: string, quoted: string | undefined, mine: boolean, first: boolean, expanded: boolean }} how
 * @param {Acts} acts
 */
export function drawMessage(message, { name, quoted, mine, first, expanded }, acts) {
  const whole = expanded || message.text.length <= SHOWN;
  const text = el('p', { class: 'text' });
  for (const part of addressesIn(whole ? message.text : `${message.text.slice(0, SHOWN)}…`)) {
    text.append(part.address ? el('span', { class: 'address' }, part.text) : part.text);
  }
  const bubble = el('div', { class: 'bubble' });
  if (first && !mine) bubble.append(el('p', { class: `who hue-${hueOf(message.author)}`, dir: 'auto' }, name));
  if (message.re) {
    const quote = el('button', { type: 'button', class: 'quote' },
      el('strong', { dir: 'auto' }, quoted ?? ''), el('span', { dir: 'auto' }, message.re.text));
    quote.addEventListener('click', () => acts.find(message));
    bubble.append(quote);
  }
  if (message.files.length > 0) bubble.append(drawFiles(message, acts.files));
  // The first letter of what is said decides on which side it begins, and where the time stands.
  const said = el('div', { dir: 'auto', class: 'said-text' }, message.text === '' ? undefined : text);
  bubble.append(said);
  if (!whole) said.append(button('Show all of it', undefined, () => acts.expand(message.key)));
  said.append(el('time', { dir: 'auto', datetime: new Date(message.time).toISOString(), title: momentOf(message.time) }, timeOf(message.time)));

  const node = el('article', {
    class: ['message', mine ? 'mine' : '', first ? 'first' : '', message.waits ?? ''].join(' ').trim(), tabindex: -1,
    'aria-label': `${mine ? 'You' : name}, ${timeOf(message.time)}: ${summary(message).slice(0, 300)}`,
  });
  if (!mine) node.append(first ? face(message.author, name) : el('span', { class: 'face' }));
  const body = el('div', { class: 'body' }, bubble);
  node.append(body);
  if (!message.waits) node.append(el('div', { class: 'acts' }, button(`Reply to ${mine ? 'yourself' : name}`, 'reply', () => acts.reply(message))));
  if (message.waits === 'sending') {
    body.append(el('p', { class: 'fate' }, icon('clock'), message.files.length > 0 ? 'Sending' : 'Waits to be sent',
      message.files.length > 0 ? button('Cancel', undefined, () => acts.cancel(message.key)) : undefined));
  }
  if (message.waits === 'failed') {
    body.append(el('p', { class: 'fate bad' }, icon('circle-alert'), el('span', {}, ['Not sent.', message.error?.what, message.error?.why, message.error?.todo].filter(Boolean).join(' ')),
      message.lost ? undefined : button('Send again', undefined, () => acts.retry(message.key)), button('Discard', undefined, () => acts.discard(message.key))));
  }
  return node;
}
