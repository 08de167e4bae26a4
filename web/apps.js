// An app: what it is, what is newer, what it takes on this computer, and how to be rid of it.
import { html, useState } from './html.js';
import { node } from './node.js';
import { Act, AppIcon, Copy, Dialog, Icon, useNode, useTitle, Wait } from './parts.js';
import { Free, Leave } from './spaces.js';
import { count, fingerprint, number, size, these } from './words.js';

/** @import * as api from '../sdk/kith-api.d.ts' */

/** Rows of the largest apps. */
const LARGEST = 20;

/** What an app takes here: its bundle, unless that is in kith itself, its entries and files. @param {api.AppInfo} app */
export const taken = (app) => (app.bundled ? 0 : app.size) + app.disk + app.files.bytes;
/** What would be free without it. @param {api.AppInfo} app */
const freeing = (app) => taken(app) - app.files.bytes + app.files.freed;

/** Where an app is looked at. @param {api.AppInfo} app */
export const appPage = (app) => `#/app/${app.app}`;

/** @param {{ id: string }} props */
export function AppPage({ id }) {
  const { status, spaces } = useNode('spaces');
  const [removing, setRemoving] = useState(false);
  const [doing, setDoing] = useState(/** @type {{ what: 'free' | 'leave', space: api.SpaceInfo } | undefined} */ (undefined));
  const app = status?.apps.find((one) => one.app === id);
  useTitle(app?.name ?? '');
  if (!status || !spaces) return html`<${Wait}>Asking kith about this app…</${Wait}>`;
  if (!app) {
    return html`<section class="blank"><h1>This app is not here</h1><p>It was removed, or the address is from another kith.</p><a class="button main" href="#/">To your apps</a></section>`;
  }
  const its = spaces.filter((space) => space.app === app.app);
  return html`
    <p class="crumb"><a href="#/">Home</a></p>
    <header class="page-head"><${AppIcon} app=${app} /><div class="grow"><h1 dir="auto">${app.name}</h1>${app.description && html`<p class="sub" dir="auto">${app.description}</p>`}</div></header>
    <${Newer} app=${app} />
    <section class="card"><h2>What it is</h2>
      <dl class="facts"><div><dt>Version</dt><dd>${number(app.version)}</dd></div>
        <div><dt>Signed by</dt><dd>${app.bundled ? 'Came with kith' : app.ours ? 'You' : html`<code>${fingerprint(app.app)}</code>`}</dd></div>
        <div><dt>May</dt><dd>${app.permissions.length === 0 ? 'See its spaces, nothing else' : these(['See its spaces', ...app.permissions])}</dd></div></dl>
      <p class="hint">${app.bundled ? 'It comes with kith, and its next version with the next kith.'
        : app.ours ? html`You sign its versions with a key on this computer. Keep a copy of it: <a href="#/settings">your keys</a>.`
          : 'Its newer versions come from the people in your spaces, signed with the same key, and wait for your word.'}</p>
    </section>
    <section class="card"><h2>What it takes here</h2>
      <dl class="facts">${!app.bundled && html`<div><dt>The app</dt><dd>${size(app.size)}</dd></div>`}
        <div><dt>Entries</dt><dd>${size(app.disk)}</dd></div><div><dt>Files</dt><dd>${size(app.files.bytes)}</dd></div><div><dt>Spaces</dt><dd>${number(its.length)}</dd></div></dl>
      ${its.length > 0 && html`<ul class="apps freeing">${its.map((space) => html`<${Taken} key=${space.space} space=${space} act=${(/** @type {'free' | 'leave'} */ what) => setDoing({ what, space })} />`)}</ul>`}
      ${app.bundled
        ? html`<p class="hint">${app.name} is part of kith and takes no room of its own. Leaving its spaces frees what they take.</p>`
        : html`<div class="row"><button type="button" class="bad" onClick=${() => setRemoving(true)}><${Icon} name="trash" />Remove ${app.name}</button></div>`}
    </section>
    ${doing?.what === 'free' && html`<${Free} space=${doing.space} close=${() => setDoing(undefined)} />`}
    ${doing?.what === 'leave' && html`<${Leave} space=${doing.space} close=${() => setDoing(undefined)} />`}
    ${removing && html`<${Remove} app=${app} spaces=${its} close=${() => setRemoving(false)} />`}`;
}

/** A space, what it takes, and the ways to have less of it. @param {{ space: api.SpaceInfo, act: (what: 'free' | 'leave') => void }} props */
const Taken = ({ space, act }) => html`<li><div class="grow"><strong dir="auto"><a href=${`#/space/${space.space}`}>${space.name}</a></strong>
    <span class="sub">${count(space.entries, 'entry', 'entries')}, ${size(space.bytes)}${space.files.bytes > 0 ? `; files, ${size(space.files.bytes)}` : ''}${space.files.outside > 0 ? `; shared from where they are, ${size(space.files.outside)}` : ''}</span></div>
  ${space.files.bytes > 0 && html`<button type="button" aria-label=${`Free the files of ${space.name}`} onClick=${() => act('free')}>Free files…</button>`}
  <button type="button" aria-label=${`Leave ${space.name}`} onClick=${() => act('leave')}>Leave</button></li>`;

/** What a newer version changes. @param {api.AppUpdate} update @param {api.AppInfo} app */
function changes(update, app) {
  return [
    update.name !== app.name && `It calls itself “${update.name}”.`,
    update.adds.length > 0 && `It also wants to ${these(update.adds)}.`,
    update.removes.length > 0 && `It no longer wants to ${these(update.removes)}.`,
    update.adds.length === 0 && 'It asks for nothing new.',
  ].filter(Boolean).join(' ');
}

/** The version that waits, and the pages that run the one before. @param {{ app: api.AppInfo }} props */
export function Newer({ app }) {
  const [asking, setAsking] = useState(false);
  const { update, behind } = app;
  const install = async () => {
    await node.connection.call('apps.update', { app: app.app });
    await node.refresh();
    setAsking(false);
  };
  const label = `Update ${app.name}`;
  return html`
    ${update && html`<div class="newer"><${Icon} name="arrow-up" />
      <p class="grow"><strong>Version ${number(update.version)} is here</strong>${` (${size(update.size)}). ${changes(update, app)}`}</p>
      ${update.adds.length > 0
        ? html`<button type="button" class="main" aria-label=${label} onClick=${() => setAsking(true)}>Update…</button>`
        : html`<${Act} class="main" label=${label} act=${install}>Update</${Act}>`}</div>`}
    ${behind > 0 && html`<div class="newer"><${Icon} name="info" />
      <p class="grow">${count(behind, 'space has', 'spaces have')} open pages with the version before. They go on with it until they are reloaded.</p></div>`}
    ${asking && update && html`<${Dialog} title=${`${label}?`} close=${() => setAsking(false)}>
      <p>Version ${number(update.version)} asks for more than the one you have:</p>
      <ul class="points">
        ${update.adds.map((words) => html`<li key=${words} class="warn"><${Icon} name="triangle-alert" /><span>It also wants to ${words}. Your browser asks you again when it does.</span></li>`)}
        ${update.removes.map((words) => html`<li key=${words}><${Icon} name="check" /><span>It no longer wants to ${words}.</span></li>`)}
      </ul>
      <p class="hint">Spaces, entries and what its pages keep stay as they are. There is no way back to version ${number(app.version)}.</p>
      <div class="row end"><button type="button" onClick=${() => setAsking(false)} autofocus>Stay at version ${number(app.version)}</button><${Act} class="main" act=${install}>Update</${Act}></div>
    </${Dialog}>`}`;
}

/** @param {{ app: api.AppInfo, spaces: api.SpaceInfo[], close: () => void }} props */
function Remove({ app, spaces, close }) {
  const alone = spaces.filter(({ members }) => members.length === 1);
  const names = (/** @type {api.SpaceInfo[]} */ list) => these(list.map(({ name }) => name));
  return html`<${Dialog} title=${`Remove ${app.name}?`} close=${close}>
    <p>This frees ${size(freeing(app))} on this computer.${app.files.outside > 0 ? ` Files of yours that are shared from where they are stay there.` : ''}</p>
    <ul class="points">
      ${spaces.length === 0 && html`<li><${Icon} name="check" /><span>It has no space here: nothing else goes.</span></li>`}
      ${spaces.length > 0 && html`<li><${Icon} name="log-out" /><span>You leave ${names(spaces)}. What you and others wrote there is deleted here; what its open pages keep in your browser, too.</span></li>`}
      ${alone.length > 0 && html`<li class="warn"><${Icon} name="triangle-alert" /><span>Nobody else is in ${names(alone)}: it is gone for good.</span></li>`}
      ${spaces.length > alone.length && html`<li><${Icon} name="users" /><span>Others keep what they have. To come back you need a new invitation.</span></li>`}
      ${app.ours && html`<li><${Icon} name="key" /><span>Its publishing key stays: you can publish it again.</span></li>`}
    </ul>
    <div class="row end"><button type="button" onClick=${close} autofocus>Keep it</button>
      <${Act} class="bad" act=${async () => {
        await node.connection.call('apps.remove', { app: app.app });
        location.hash = '#/';
        await node.refresh();
        close();
      }}>Remove ${app.name}</${Act}></div>
  </${Dialog}>`;
}

/** What is on disk, by app, and what could be freed. @param {{ apps: api.AppInfo[] }} props */
export function Disk({ apps }) {
  const largest = apps.filter((app) => taken(app) > 0).sort((a, b) => taken(b) - taken(a));
  const all = largest.reduce((sum, app) => sum + taken(app), 0);
  const top = Math.max(1, ...largest.map(taken));
  return html`<section class="card"><h2>On disk</h2>
    ${all === 0 ? html`<p class="hint">Nothing yet but kith itself.</p>` : html`
      <p>${size(all)} in all. Files can be freed alone; leaving a space frees all that it takes, removing an app all of it.</p>
      <ul class="apps freeing">${largest.slice(0, LARGEST).map((app) => html`<li key=${app.app}><${AppIcon} app=${app} />
        <div class="grow"><strong dir="auto">${app.name}</strong>
          <meter max=${top} value=${taken(app)} aria-label=${`What ${app.name} takes`}></meter>
          <span class="sub">${size(taken(app))}${app.bundled ? '' : `, ${size(app.size)} of it the app`} · ${count(app.spaces, 'space', 'spaces')}</span></div>
        <a class="button" aria-label=${`Free what ${app.name} takes`} href=${appPage(app)}>Free…</a></li>`)}</ul>
      ${largest.length > LARGEST && html`<p class="hint">The ${LARGEST} largest of ${count(largest.length, 'app', 'apps')}.</p>`}`}
  </section>`;
}

/** The keys that sign apps. @param {{ keys: api.KeyInfo[], apps: api.AppInfo[] }} props */
export function PublishingKeys({ keys, apps }) {
  if (keys.length === 0) return html`<p class="hint">None yet: “kith publish FOLDER” makes one with the first version of an app.</p>`;
  return html`<p>Each signs the versions of one app. <strong>A lost key is a dead app:</strong> whoever has the app keeps the version they have, and nobody can ever publish a newer one. Keep a copy of each where only you can read it.</p>
    <ul class="apps freeing">${keys.map(({ name, app }) => {
      const command = `kith key export ${/^[\w-]+$/.test(name) ? name : JSON.stringify(name)} -o FILE`;
      const known = apps.find((one) => one.app === app);
      return html`<li key=${app}><${Icon} name="key" /><div class="grow"><strong dir="auto">${name}</strong>
        <code class="command-line">${command}</code>
        <span class="sub">${known ? `${known.name}, version ${number(known.version)}` : 'Its app is not here'} · <code>${fingerprint(app)}</code></span></div>
        <${Copy} text=${command} what=${`the command that exports the key ${name}`} /></li>`;
    })}</ul>
    <p class="hint">The command writes the key to a new file that only you can read. “kith key import NAME FILE” takes it in on another computer. Whoever has the file can publish the app.</p>`;
}
