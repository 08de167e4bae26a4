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
      <dl class="facts"><div><dt>Entries</dt><dd>${number(space.entries)}</dd></div><div><dt>On disk</dt><dd>${size(space.bytes + space.files.bytes)}</dd></div>${space.files.bytes > 0 && html`<div><dt>Files, of it</dt><dd>${size(space.files.bytes)}</dd></div>`}
        <div><dt>Joined</dt><dd>${momentOf(space.joined)}</dd></div><div><dt>Newest</dt><dd>${space.newest === null ? 'Nothing yet' : ago(space.newest, Date.now())}</dd></div></dl>
      <div class="row">${space.files.bytes > 0 && html`<button type="button" onClick=${() => setDoing('free')}><${Icon} name="trash" />Free files…</button>`}
        <button type="button" onClick=${() => setDoing('rename')}><${Icon} name="pencil" />Rename</button>
        <button type="button" class="bad" onClick=${() => setDoing('leave')}><${Icon} name="log-out" />Leave</button></div>
    </section>
    ${doing === 'invite' && html`<${Invite} space=${space} close=${close} />`}
    ${doing === 'rename' && html`<${Rename} space=${space} close=${close} />`}
    ${doing === 'free' && html`<${Free} space=${space} close=${close} />`}
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

/** What is held of a space's files, and deleting it. @param {Doing} props */
export function Free({ space, close }) {
  const [held, setHeld] = useState(/** @type {api.HeldFiles | undefined} */ (undefined));
  const [own, setOwn] = useState(false);
  const [error, setError] = useState(/** @type {import('/.kith/kith.js').KithError | undefined} */ (undefined));
  const [freed, setFreed] = useState(/** @type {api.HeldPart | undefined} */ (undefined));
  const ask = () => {
    setError(undefined);
    node.connection.call('files.held', { space: space.space }).then(setHeld, (thrown) => setError(fault(thrown)));
  };
  useEffect(ask, []);
  const title = `Free the files of ${space.name}?`;
  const part = (/** @type {api.HeldPart} */ { files, bytes }) => `${count(files, 'file', 'files')} (${size(bytes)})`;
  if (freed) {
    return html`<${Dialog} title=${title} close=${close}><p role="status">${count(freed.files, 'file', 'files')} went: ${size(freed.bytes)} are free again.</p>
      <div class="row end"><button type="button" class="main" onClick=${close} autofocus>Done</button></div></${Dialog}>`;
  }
  if (error || !held) {
    return html`<${Dialog} title=${title} close=${close}>
      ${error ? html`<${Fault} error=${error}><button type="button" onClick=${ask}>Try again</button></${Fault}>` : html`<${Wait}>Looking at what is here…</${Wait}>`}
      <div class="row end"><button type="button" onClick=${close} autofocus>Keep them</button></div></${Dialog}>`;
  }
  const { others, own: mine } = held;
  const goes = own ? { files: others.files + mine.files, bytes: others.bytes + mine.bytes } : others;
  return html`<${Dialog} title=${title} close=${close}>
    <ul class="points">
      ${others.files > 0 ? html`<li><${Icon} name="users" /><span>${part(others)} that others added are deleted from this computer. Who added them may still have them: they come again from there when you want them.</span></li>`
        : html`<li><${Icon} name="check" /><span>Nothing is here that others added.</span></li>`}
      ${mine.files > 0 && html`<li class=${own ? 'warn' : ''}><${Icon} name=${own ? 'triangle-alert' : 'info'} /><span>${own
        ? `${part(mine)} that you added go, too. kith does not know whether anyone else has them: if nobody has, they are gone from this space.`
        : `${part(mine)} that you added stay: you may be the only one who has them.`}</span></li>`}
      ${space.files.outside > 0 && html`<li><${Icon} name="check" /><span>Files that you share from where they are (${size(space.files.outside)}) stay there, and stay shared.</span></li>`}
      <li><${Icon} name="check" /><span>What was written stays, and says what files there were.</span></li>
    </ul>
    ${mine.files > 0 && html`<label class="switch"><input type="checkbox" checked=${own} onChange=${(/** @type {any} */ event) => setOwn(event.target.checked)} /><span><strong>Also free what I added</strong></span></label>`}
    <div class="row end"><button type="button" onClick=${close} autofocus>Keep them</button>
      ${goes.files > 0 && html`<${Act} class="bad" act=${async () => {
        const went = await node.connection.call('files.free', { space: space.space, own });
        void node.refresh();
        setFreed(went);
      }}>Free ${size(goes.bytes)}</${Act}>`}</div>
  </${Dialog}>`;
}
