// The first page: what needs the person, a link to open, the apps and their spaces.
import { appPage, Newer } from './apps.js';
import { html, useRef, useState } from './html.js';
import { fault, goTo, node, openSpace } from './node.js';
import { begin } from './opening.js';
import { Act, AppIcon, Dialog, Face, Fault, Icon, useNode, useTitle, Wait } from './parts.js';
import { Invite, Leave } from './spaces.js';
import { ago, count, these } from './words.js';

/** @import * as api from '../sdk/kith-api.d.ts' */

/** Spaces of an app that are shown before the rest is asked for. */
const SHOWN = 6;

export function Home() {
  const { status, spaces } = useNode('spaces');
  useTitle('');
  if (!status || !spaces) return html`<h1 class="sr">Home</h1><${Wait}>Asking kith for your apps…</${Wait}>`;
  const { problems } = status;
  // Those in use first; else as the node has them.
  const apps = [...status.apps].sort((a, b) => Number(b.spaces > 0) - Number(a.spaces > 0));
  return html`
    <h1 class="sr">Home</h1>
    ${problems.length > 0 && html`<section aria-label="What needs you" class="stack">
      ${problems.map((problem) => html`<${Problem} key=${problem.id} problem=${problem} space=${spaces.find(({ space }) => space === problem.space)} />`)}
    </section>`}
    <${OpenLink} />
    <section aria-label="Your apps" class="stack">
      ${apps.map((app) => html`<${App} key=${app.app} app=${app} first=${spaces.length === 0} spaces=${spaces.filter((space) => space.app === app.app)} />`)}
    </section>
    ${spaces.length === 0 && html`<p class="after">A space is a place for a few people: a room, a board, a game. Make one and invite someone, or paste a link that you were given.</p>`}`;
}

/** What needs the person, with a button that does what it says is to be done. @param {{ problem: api.Problem, space: api.SpaceInfo | undefined }} props */
function Problem({ problem, space }) {
  const [leaving, setLeaving] = useState(false);
  const dismiss = async () => {
    await node.connection.call('problems.dismiss', { id: problem.id });
  };
  return html`<${Fault} kind="warn" error=${problem}>
    ${space && problem.code === 'too_large' && html`<button type="button" onClick=${() => setLeaving(true)}>Leave ${space.name}</button>`}
    ${space && problem.code === 'bad_signature' && html`<${Act} act=${() => openSpace(space.space)}>Open ${space.name}</${Act}>`}
    ${space && html`<a class="button" href=${`#/space/${space.space}`}>Look at ${space.name}</a>`}
    ${problem.id > 0 && html`<${Act} act=${dismiss}>Dismiss</${Act}>`}
    ${leaving && space && html`<${Leave} space=${space} close=${() => setLeaving(false)} />`}
  </${Fault}>`;
}

function OpenLink() {
  const ref = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [error, setError] = useState(/** @type {import('/.kith/kith.js').KithError | undefined} */ (undefined));
  const [busy, setBusy] = useState(false);
  const open = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const target = ref.current?.value.trim() ?? '';
    if (busy || target === '') return;
    setBusy(true);
    setError(undefined);
    try {
      await begin(target);
    } catch (thrown) {
      setError(fault(thrown));
      ref.current?.select();
    }
    setBusy(false);
  };
  return html`<section aria-label="Open a link">
    <form class="open-link" onSubmit=${open}>
      <label for="link" class="sr">A link to an app or a space</label>
      <${Icon} name="link" />
      <input id="link" ref=${ref} placeholder="Paste a link: kith://…" autocomplete="off" spellcheck="false" inputmode="url" aria-describedby="link-said" aria-invalid=${error ? 'true' : undefined} />
      <button type="submit" aria-disabled=${busy}>Open</button>
    </form>
    <div id="link-said">${error && html`<${Fault} error=${error} />`}</div>
  </section>`;
}

/** @param {{ app: api.AppInfo, spaces: api.SpaceInfo[], first: boolean }} props `first`: there is no space of any app yet. */
function App({ app, spaces, first }) {
  const [all, setAll] = useState(false);
  const [making, setMaking] = useState(false);
  const shown = all ? spaces : spaces.slice(0, SHOWN);
  return html`<article class="card">
    <header class="app">
      <${AppIcon} app=${app} />
      <div class="grow"><h2 dir="auto"><a href=${appPage(app)}>${app.name}</a></h2><p dir="auto">${app.description}</p></div>
      <button type="button" class=${`new ${first && app.bundled ? 'main' : ''}`} aria-label=${`New space of ${app.name}`} onClick=${() => setMaking(true)}><${Icon} name="plus" /><span>New space</span></button>
    </header>
    <${Newer} app=${app} />
    ${shown.length > 0 && html`<ul class="spaces" aria-label=${`Spaces of ${app.name}`}>${shown.map((space) => html`<${SpaceRow} key=${space.space} space=${space} />`)}</ul>`}
    ${spaces.length > shown.length && html`<button type="button" class="plain wide" onClick=${() => setAll(true)}>Show all ${count(spaces.length, 'space', 'spaces')}</button>`}
    ${making && html`<${NewSpace} app=${app} close=${() => setMaking(false)} />`}
  </article>`;
}

/** Who is there, or who is missed. @param {api.SpaceInfo} space */
function presence({ members, trying, public: open }) {
  const others = members.filter(({ me }) => !me);
  const there = others.filter(({ online }) => online);
  if (there.length > 0) return `${these(there.map(({ name }) => name))} online`;
  if (others.length === 0) return open ? 'Nobody found yet' : 'Only you so far';
  return trying.length > 0 ? `Trying to reach ${these(others.map(({ name }) => name))}` : 'Nobody else is online';
}

/** @param {{ space: api.SpaceInfo }} props */
function SpaceRow({ space }) {
  const [inviting, setInviting] = useState(false);
  const others = space.members.filter(({ me, online }) => !me && online).slice(0, 4);
  return html`<li class="space">
    <a class="grow" href=${`#/space/${space.space}`}>
      <strong dir="auto">${space.name}</strong>
      <span class="sub">
        ${space.public && html`<span class="tag"><${Icon} name="globe" />Public</span>`}
        <span class="faces">${others.map(({ id, name }) => html`<${Face} key=${id} name=${name} />`)}</span>
        <span>${presence(space)}${space.newest !== null && ` · changed ${ago(space.newest, Date.now())}`}</span>
      </span>
    </a>
    <button type="button" class="plain square" aria-label=${`Invite to ${space.name}`} title="Invite" onClick=${() => setInviting(true)}><${Icon} name="user-plus" /></button>
    <${Act} act=${() => openSpace(space.space)} label=${`Open ${space.name}`}>Open<${Icon} name="arrow-up-right" /></${Act}>
    ${inviting && html`<${Invite} space=${space} close=${() => setInviting(false)} />`}
  </li>`;
}

/** @param {{ app: api.AppInfo, close: () => void }} props */
function NewSpace({ app, close }) {
  const ref = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [error, setError] = useState(/** @type {import('/.kith/kith.js').KithError | undefined} */ (undefined));
  const make = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      const name = ref.current?.value.trim();
      const { url } = await node.connection.call('spaces.create', name ? { app: app.app, name } : { app: app.app });
      close();
      void node.refresh();
      goTo(url);
    } catch (thrown) {
      setError(fault(thrown));
    }
  };
  return html`<${Dialog} title=${`A new space of ${app.name}`} close=${close}>
    <form class="stack" onSubmit=${make}>
      <div class="field"><label for="space-name">What you call it</label>
        <input id="space-name" ref=${ref} maxlength="64" placeholder=${app.name} autocomplete="off" autofocus />
        <p class="hint">Only you see this name. Nobody gets in without an invitation from inside.</p></div>
      ${error && html`<${Fault} error=${error} />`}
      <div class="row end"><button type="button" onClick=${close}>Cancel</button><button type="submit" class="main">Make and open</button></div>
    </form>
  </${Dialog}>`;
}
