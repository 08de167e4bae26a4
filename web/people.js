// The people, and how each of them is connected.
import { html, useState } from './html.js';
import { node } from './node.js';
import { Act, Dialog, Face, Icon, Rows, useNode, useTitle, Wait } from './parts.js';
import { count, foundBy, lasting, number, roundTrip, size, soon, who } from './words.js';

/** @import * as api from '../sdk/kith-api.d.ts' */

/** Height of a row in a long list, in px; `dashboard.css` keeps rows to it. */
const ROW = 76;
/** A search is offered from so many people on. */
const SEARCHED = 12;

/** How a connection goes, in words, with a picture. @type {Record<string, { name: string, icon: string, what: string }>} */
const PATHS = {
  direct: { name: 'Direct', icon: 'zap', what: 'Straight over the internet' },
  lan: { name: 'Local network', icon: 'wifi', what: 'Inside your own network' },
  relay: { name: 'Relayed', icon: 'radio-tower', what: 'Through a relay, which carries it but can’t read it' },
};

/** @type {string[]} */
const WAYS = Object.keys(PATHS);

export function People() {
  const { peers, status } = useNode('peers', 'spaces');
  const [text, setText] = useState('');
  const [shown, setShown] = useState('');
  useTitle('People');
  if (!peers) return html`<h1>People</h1><${Wait}>Asking kith who is connected…</${Wait}>`;
  const wanted = text.toLocaleLowerCase();
  const found = wanted ? peers.filter(({ name, id }) => name.toLocaleLowerCase().includes(wanted) || id.startsWith(wanted)) : peers;
  const open = peers.find(({ id }) => id === shown);
  return html`
    <header class="page-head"><h1 class="grow">People</h1>
      ${peers.length >= SEARCHED && html`<label class="search"><span class="sr">Search people</span><${Icon} name="search" /><input type="search" placeholder="Search" onInput=${(/** @type {any} */ event) => setText(event.target.value)} /></label>`}
    </header>
    ${peers.length === 0 ? html`<section class="blank"><h2>Nobody yet</h2><p>People appear here once you share a space with them. Invite someone from one of your spaces.</p><a class="button main" href="#/">To your apps</a></section>`
      : html`<${Summary} peers=${peers} />
        <section class="card flush"><${Rows} label="People" rows=${found} height=${ROW} keyOf=${(/** @type {api.PeerInfo} */ peer) => peer.id}
          draw=${(/** @type {api.PeerInfo} */ peer) => html`<${Peer} peer=${peer} open=${() => setShown(peer.id)} />`} />
          ${found.length === 0 && html`<p class="none">Nobody is called “${text}”.</p>`}</section>`}
    ${status?.offline && html`<p class="after">kith was started with --offline: it meets people on this computer and its local network only.</p>`}
    ${open && html`<${Details} peer=${open} close=${() => setShown('')} />`}`;
}

/** How many are connected in which way. @param {{ peers: api.PeerInfo[] }} props */
function Summary({ peers }) {
  const parts = Object.entries(PATHS).map(([path, { name, icon }]) => ({ name, icon, path, of: peers.filter((peer) => peer.path === path).length }));
  const connected = parts.reduce((sum, { of }) => sum + of, 0);
  return html`<section class="card" aria-label="Connections">
    <${Chart} peers=${peers} />
    ${peers.length > MAPPED && html`<div class="bar" aria-hidden="true">${parts.filter(({ of }) => of > 0).map(({ path, of }) => html`<span key=${path} class=${path} style=${{ flexGrow: of }}></span>`)}</div>`}
    <dl class="facts">${parts.map(({ name, icon, path, of }) => html`<div key=${path} class=${path}><dt><${Icon} name=${icon} />${name}</dt><dd>${number(of)}</dd></div>`)}
      <div><dt>Not connected</dt><dd>${number(peers.length - connected)}</dd></div></dl></section>`;
}

/** People who have a place on the map. The list has all of them. */
const MAPPED = 12;
/** From so many on there is no room for names on a narrow page. */
const CROWDED = 7;
/** So few stand beside oneself, and need no height. */
const BESIDE = 2;

/** Some of each way, in turns, those of one way side by side. @param {api.PeerInfo[]} peers */
function some(peers) {
  const groups = [...WAYS, null].map((way) => peers.filter(({ path, state }) => path === way && state !== 'blocked'));
  const taken = groups.map(() => 0);
  for (let left = MAPPED, before = -1; left > 0 && left !== before;) {
    before = left;
    groups.forEach((group, at) => {
      if (left === 0 || (taken[at] ?? 0) >= group.length) return;
      taken[at] = (taken[at] ?? 0) + 1;
      left--;
    });
  }
  return groups.flatMap((group, at) => group.slice(0, taken[at]));
}

/**
 * Oneself in the middle, the others around, each with a line that looks as the connection goes. Whoever reads
 * rather than looks has the list, which says the same.
 * @param {{ peers: api.PeerInfo[] }} props
 */
function Chart({ peers }) {
  const shown = some(peers);
  const places = shown.map((peer, at) => {
    // From the left, clockwise: one stands beside oneself, two on either side.
    const angle = Math.PI + (2 * Math.PI * at) / shown.length;
    return { peer, x: 50 + 39 * Math.cos(angle), y: 46 + 36 * Math.sin(angle) };
  });
  return html`<div class=${`map ${shown.length >= CROWDED ? 'crowded' : shown.length <= BESIDE ? 'beside' : ''}`} aria-hidden="true">
    <svg viewBox="0 0 100 100" preserveAspectRatio="none">${places.map(({ peer, x, y }) => html`<line key=${peer.id} class=${peer.path ?? 'none'} x1="50" y1="46" x2=${x} y2=${y} />`)}</svg>
    <span class="spot me"><span class="face">You</span></span>
    ${places.map(({ peer, x, y }) => html`<span key=${peer.id} class="spot" style=${{ left: `${x}%`, top: `${y}%` }} title=${`${who(peer.name, peer.id)}: ${stateOf(peer)}`}>
      <${Face} name=${peer.name || peer.id} /><span class="cut" dir="auto">${who(peer.name, peer.id)}</span></span>`)}
  </div>
  ${peers.length > MAPPED && html`<p class="sub more">${number(shown.length)} of ${count(peers.length, 'person', 'people')} are drawn.</p>`}`;
}

/** How it stands with someone, in words. @param {api.PeerInfo} peer */
function stateOf({ state, path, rtt, failures, next_try: next, error }) {
  switch (state) {
    case 'connected': return [PATHS[path ?? '']?.name ?? 'Connected', rtt === null ? '' : roundTrip(rtt)].filter(Boolean).join(', ');
    case 'dialing': return failures > 0 ? `Trying again, after ${count(failures, 'try', 'tries')}` : 'Trying to connect';
    case 'waiting': return [error ?? 'Not connected', next === null ? '' : `next try ${soon(next, Date.now())}`].filter(Boolean).join('; ');
    case 'blocked': return 'Blocked by you';
    case 'banned': return ['Kept out: it broke the protocol', next === null ? '' : `let in again ${soon(next, Date.now())}`].filter(Boolean).join('; ');
    default: return '';
  }
}

/** @param {{ peer: api.PeerInfo, open: () => void }} props */
const Peer = ({ peer, open }) => html`<button type="button" class="peer" onClick=${open}>
  <${Face} name=${peer.name || peer.id} />
  <span class="grow"><strong dir="auto">${who(peer.name, peer.id)}</strong>
    <span class=${`sub ${peer.state === 'connected' ? 'good' : ''}`}><${Icon} name=${peer.state === 'blocked' ? 'ban' : PATHS[peer.path ?? '']?.icon ?? 'clock'} /><span class="cut">${stateOf(peer)}</span></span></span>
  <span class="flow"><span><span class="sr">received </span><${Icon} name="arrow-down" />${size(peer.traffic.received)}</span><span><span class="sr">sent </span><${Icon} name="arrow-up" />${size(peer.traffic.sent)}</span></span>
  <${Icon} name="chevron-right" />
</button>`;

/** @param {{ peer: api.PeerInfo, close: () => void }} props */
function Details({ peer, close }) {
  const [asks, setAsks] = useState(false);
  const { spaces } = node;
  const name = who(peer.name, peer.id);
  const shared = peer.spaces.map((id) => spaces?.find(({ space }) => space === id)?.name ?? 'A space');
  const block = (/** @type {boolean} */ blocked) => async () => {
    await node.connection.call('peers.block', { peer: peer.id, blocked });
    await node.refresh();
    setAsks(false);
  };
  const way = PATHS[peer.path ?? ''];
  return html`<${Dialog} title=${name} close=${close}>
    <p class="lead">${stateOf(peer)}${way ? html`<br /><span class="sub">${way.what}</span>` : ''}</p>
    <dl class="facts list">
      ${peer.since !== null && html`<div><dt>Connected for</dt><dd>${lasting(Date.now() - peer.since)}</dd></div>`}
      ${peer.address && html`<div><dt>Address</dt><dd><code>${peer.address}</code></dd></div>`}
      ${peer.found.length > 0 && html`<div><dt>How</dt><dd>${foundBy(peer.found)}</dd></div>`}
      <div><dt>Received</dt><dd>${size(peer.traffic.received)}</dd></div><div><dt>Sent</dt><dd>${size(peer.traffic.sent)}</dd></div>
      ${shared.length > 0 && html`<div><dt>Shared spaces</dt><dd dir="auto">${shared.join(', ')}</dd></div>`}
      ${peer.error && html`<div><dt>Last failure</dt><dd>${peer.error}</dd></div>`}
      <div><dt>Id</dt><dd><code class="key">${peer.id}</code></dd></div>
    </dl>
    ${asks && html`<div class="fault warn"><${Icon} name="ban" /><div><strong>Block ${name}?</strong> Connections with them end and none is accepted any more. They stay in shared spaces, keep what they have, and others may still pass on what they write.</div></div>`}
    <div class="row end">
      ${peer.state === 'blocked' ? html`<${Act} act=${block(false)}>Unblock ${name}</${Act}>`
        : asks ? html`<button type="button" onClick=${() => setAsks(false)}>Don’t block</button><${Act} class="bad" act=${block(true)}>Block ${name}</${Act}>`
          : html`<button type="button" class="bad" onClick=${() => setAsks(true)}><${Icon} name="ban" />Block</button>`}
      ${!asks && html`<button type="button" class="main" onClick=${close}>Done</button>`}
    </div>
  </${Dialog}>`;
}
