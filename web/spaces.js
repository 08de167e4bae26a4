// One space: who is in it, who is being tried, and what can be done with it.
import { html, useEffect, useState } from './html.js';
import { fault, node, openSpace } from './node.js';
import { Act, Copy, Dialog, Face, Fault, Field, Icon, useNode, useTitle, Wait } from './parts.js';
import { ago, count, fingerprint, momentOf, number, size, these, wayName, who } from './words.js';

/** @import * as api from '../sdk/kith-api.d.ts' */
/** @typedef {{ space: api.SpaceInfo, close: () => void }} Doing */

/** @param {{ id: string }} props */
export function Space({ id }) {
  const { spaces, peers, status } = useNode('spaces', 'peers');
  const [doing, setDoing] = useState('');
  const space = spaces?.find((one) => one.space === id);
  useTitle(space?.name ?? '');
  if (!spaces) return html`<${Wait}>Asking kith about this space…</${Wait}>`;
  if (!space) {
    return html`<section class="blank"><h1>This space is not here</h1><p>It was left, or the address is from another kith.</p><a class="button main" href="#/">To your apps</a></section>`;
  }
  const close = () => setDoing('');
  const app = status?.apps.find((one) => one.app === space.app);
  const nameOf = (/** @type {string} */ peer) => who(peers?.find((one) => one.id === peer)?.name ?? '', peer);
  return html`
    <p class="crumb"><a href="#/">Home</a></p>
    <header class="page-head"><div class="grow"><h1 dir="auto">${space.name}</h1>
      <p class="sub">${space.app_name}${space.public ? ', its public space: anyone can join and watch' : ''}</p></div>
      <button type="button" onClick=${() => setDoing('invite')}><${Icon} name="user-plus" />Invite</button>
      <${Act} class="main" act=${() => openSpace(space.space)}>Open<${Icon} name="arrow-up-right" /></${Act}>
    </header>
    <section class="card"><h2>People</h2>
      <ul class="people">${space.members.map((member) => html`<li key=${member.id}>
        <${Face} name=${member.name} /><span class="grow" dir="auto">${member.name}</span>
        <span class=${`state ${member.online || member.me ? 'good' : ''}`}>${(member.online || member.me) && html`<span class="dot"></span>`}${member.me ? 'You' : member.online ? 'Online' : 'Away'}</span>
        ${member.forked && html`<p class="whole warn"><${Icon} name="triangle-alert" />Wrote two histories: their data was copied or restored, or their key is in other hands. kith keeps the first one, and the proof.</p>`}
      </li>`)}</ul>
    </section>
    ${space.trying.length > 0 && html`<section class="card"><h2>Being tried now</h2><${Attempts} tried=${space.trying} nameOf=${nameOf} /></section>`}
    ${app && html`<${TheApp} app=${app} />`}
    <section class="card"><h2>Kept here</h2>
      <dl class="facts"><div><dt>Entries</dt><dd>${number(space.entries)}</dd></div><div><dt>On disk</dt><dd>${size(space.bytes + space.files.bytes)}</dd></div>
        <div><dt>Joined</dt><dd>${momentOf(space.joined)}</dd></div><div><dt>Newest</dt><dd>${space.newest === null ? 'Nothing yet' : ago(space.newest, Date.now())}</dd></div></dl>
      <div class="row"><button type="button" onClick=${() => setDoing('rename')}><${Icon} name="pencil" />Rename</button>
        <button type="button" class="bad" onClick=${() => setDoing('leave')}><${Icon} name="log-out" />Leave</button></div>
    </section>
    ${doing === 'invite' && html`<${Invite} space=${space} close=${close} />`}
    ${doing === 'rename' && html`<${Rename} space=${space} close=${close} />`}
    ${doing === 'leave' && html`<${Leave} space=${space} close=${close} />`}`;
}

/** What runs in the space, and what it may do. @param {{ app: api.AppInfo }} props */
const TheApp = ({ app }) => html`<section class="card"><h2>The app</h2>
  <dl class="facts"><div><dt>Name</dt><dd dir="auto">${app.name}</dd></div><div><dt>Version</dt><dd>${number(app.version)}</dd></div>
    <div><dt>Signed by</dt><dd>${app.bundled ? 'Came with kith' : app.ours ? 'You' : html`<code>${fingerprint(app.app)}</code>`}</dd></div>
    <div><dt>May</dt><dd>${app.permissions.length === 0 ? 'See this space, nothing else' : these(['see this space', ...app.permissions])}</dd></div></dl>
</section>`;

/** Who is tried, and how that stands. @param {{ tried: api.Attempt[], nameOf: (peer: string) => string }} props */
export const Attempts = ({ tried, nameOf }) => html`<ul class="attempts">
  ${tried.map(({ peer, way, state }) => html`<li key=${`${peer}${way}`}><strong dir="auto">${nameOf(peer)}</strong><span>${state}</span><span class="sub">${wayName(way)}</span></li>`)}
</ul>`;

/** @param {Doing} props */
export function Invite({ space, close }) {
  const [invitation, setInvitation] = useState(/** @type {api.InviteLink | undefined} */ (undefined));
  const [error, setError] = useState(/** @type {import('/.kith/kith.js').KithError | undefined} */ (undefined));
  const ask = () => {
    setError(undefined);
    node.connection.call('spaces.invite', { target: space.space }).then(setInvitation, (thrown) => setError(fault(thrown)));
  };
  useEffect(ask, []);
  return html`<${Dialog} title=${`Invite to ${space.name}`} close=${close}>
    <div class="invite">
      ${invitation ? html`<img class="qr" src=${`data:image/svg+xml,${encodeURIComponent(invitation.qr)}`} alt="The link as a QR code" width="220" height="220" />` : html`<div class="qr"></div>`}
      ${error ? html`<${Fault} error=${error}><button type="button" onClick=${ask}>Try again</button></${Fault}>` : html`
      <div class="field"><label for="invite-link">Link</label>
        <div class="pair"><input id="invite-link" readonly value=${invitation?.link ?? 'Making the link…'} onFocus=${(/** @type {any} */ event) => event.target.select()} />${invitation && html`<${Copy} text=${invitation.link} what="the link" />`}</div></div>`}
      <p class="hint">${space.public
        ? 'This is the app’s public space: anyone can join it, link or not.'
        : 'Whoever has this link can join and read all that was written. Send it only to people you mean, by a way you trust.'}</p>
      <p class="hint">Joining works while you, or anyone else of this space, is online.</p>
    </div>
    <div class="row end"><button type="button" class="main" onClick=${close}>Done</button></div>
  </${Dialog}>`;
}

/** @param {Doing} props */
export const Rename = ({ space, close }) => html`<${Dialog} title=${`Rename ${space.name}`} close=${close}>
  <${Field} label="What you call it" value=${space.name} hint="Only you see this name." done="Saved." autofocus save=${async (/** @type {string} */ name) => {
    await node.connection.call('spaces.rename', { space: space.space, name });
    await node.refresh();
    close();
  }} />
  <div class="row end"><button type="button" onClick=${close}>Cancel</button></div>
</${Dialog}>`;

/** @param {Doing} props */
export function Leave({ space, close }) {
  const others = space.members.length - 1;
  return html`<${Dialog} title=${`Leave ${space.name}?`} close=${close}>
    <p>${count(space.entries, 'entry', 'entries')} (${size(space.bytes)})${space.files.bytes > 0 ? ` and files (${size(space.files.freed)})` : ''} of ${space.name} ${space.entries === 1 && space.files.bytes === 0 ? 'is' : 'are'} deleted from this computer.
      ${others > 0 ? ` The ${count(others, 'other person keeps', 'other people keep')} what they have.` : ' Nobody else has them: they are gone for good.'}
      ${space.public ? '' : ' To come back you need a new invitation.'}</p>
    <div class="row end"><button type="button" onClick=${close} autofocus>Stay</button>
      <${Act} class="bad" act=${async () => {
        await node.connection.call('spaces.leave', { space: space.space });
        location.hash = '#/';
        await node.refresh();
        close();
      }}>Leave ${space.name}</${Act}></div>
  </${Dialog}>`;
}
