// The page that is shown on a space's origin while its app is on its way: who is asked, how much of it
// is here, and what one can do. It goes on to the app by itself.
import { connection, KithError } from '/.kith/kith.js';

import { size, speed, wayName, who } from './words.js';

/** @import { OpeningStage } from '../sdk/kith-api.d.ts' */

/** The time over which speed is measured, in ms. */
const SPEED_OVER = 2_000;

/** @param {string} id */
const at = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const progress = /** @type {HTMLProgressElement} */ (at('progress'));
/** What was here when. @type {{ time: number, bytes: number }[]} */
let seen = [];

/** @param {string} id @param {string} text */
function say(id, text) {
  if (at(id).textContent !== text) at(id).textContent = text;
}

/** @param {number} bytes */
function rate(bytes) {
  const now = Date.now();
  seen = [...seen.filter(({ time }) => now - time < SPEED_OVER), { time: now, bytes }];
  const first = seen[0];
  return first && now > first.time ? ((bytes - first.bytes) * 1_000) / (now - first.time) : 0;
}

/** @param {Extract<OpeningStage, { stage: 'fetching' }>} stage */
function fetching({ tried, bytes, size: all }) {
  at('again').hidden = true;
  at('state').className = '';
  progress.hidden = bytes === 0;
  if (all === null) progress.removeAttribute('value');
  else {
    progress.max = all;
    progress.value = bytes;
  }
  const now = rate(bytes);
  say('title', bytes > 0 ? 'Fetching the app' : 'Looking for the app');
  say('state', bytes > 0 ? `${size(bytes)}${all === null ? '' : ` of ${size(all)}`}${now > 0 ? `, ${speed(now)}` : ''}`
    : tried.length > 0 ? 'These people are asked whether they have it.' : 'Looking for someone who has it.');
  at('tried').hidden = tried.length === 0;
  at('tried').querySelector('tbody')?.replaceChildren(...tried.map(({ peer, way, state }) => {
    const row = document.createElement('tr');
    const name = document.createElement('th');
    name.scope = 'row';
    name.textContent = who('', peer);
    row.append(name, ...[state, wayName(way)].map((text) => {
      const cell = document.createElement('td');
      cell.textContent = text;
      return cell;
    }));
    return row;
  }));
}

/** @param {{ what: string, why: string, todo: string }} error */
function failed({ what, why, todo }) {
  progress.hidden = true;
  at('tried').hidden = true;
  at('again').hidden = false;
  say('title', 'The app did not come');
  say('state', [what, why, todo].filter(Boolean).join(' '));
  at('state').className = 'bad';
}

at('again').addEventListener('click', () => location.reload());
connection.addEventListener('state', () => {
  if (connection.state === 'waiting') say('state', 'kith does not answer. This page tries again by itself.');
});
try {
  for await (const event of connection.subscribe(() => ({ to: 'arrival' }))) {
    if (event.type !== 'opening') continue;
    const { stage } = event;
    if (stage.stage === 'fetching') fetching(stage);
    else if (stage.stage === 'failed') failed(stage.error);
    else location.reload();
  }
} catch (error) {
  failed(error instanceof KithError ? error : { what: 'This page failed.', why: String(error), todo: 'Reload it.' });
}
