// What apps ask that reaches beyond their space: it is shown and answered here, where no app can forge it.
import { html, useEffect, useRef, useState } from './html.js';
import { fault, node } from './node.js';
import { Act, AppIcon, Fault, Icon, useNode, useTitle, Wait } from './parts.js';
import { count, size, these } from './words.js';

/** @import * as api from '../sdk/kith-api.d.ts' */

/** Rows that are shown before a word is asked for: more are not read. */
const SHOWN = 8;
/** Files that are shown before a word is asked for. */
const FILES_SHOWN = 30;
/** Files that an app gets at once, at most: the node's limit. */
const MOST = 32;
/** The choice that makes a new space. */
const NEW = 'new';

/** What waits for an answer, on every page but its own. @param {{ asks: api.AskInfo[] }} props */
export const Waiting = ({ asks }) => html`<section class="newer" aria-label="What apps ask" role="status"><${Icon} name="info" />
  <p class="grow" dir="auto">${asks.length === 1 ? `${asks[0]?.app_name} asks you something.` : `${these(asks.map(({ app_name: name }) => name))} ask you something.`}</p>
  <a class="button main" href="#/asks">Look</a></section>`;

export function Asks() {
  const { status } = useNode();
  const [said, setSaid] = useState('');
  useTitle('An app asks');
  if (!status) return html`<${Wait}>Asking kith what apps want…</${Wait}>`;
  const [first] = status.asks;
  if (!first) {
    return html`<section class="blank" role="status"><h1>${said || 'No app asks anything'}</h1><p>${said ? 'You may close this page and go back to the app.' : 'It was answered, or the page of the app was closed.'}</p>
      <a class="button main" href="#/">To your apps</a></section>`;
  }
  return html`<${Asking} key=${first.ask} info=${first} done=${setSaid} />
    ${status.asks.length > 1 && html`<p class="hint">After this one: ${these(status.asks.slice(1).map(({ app_name: name }) => name))}.</p>`}`;
}

/** One question, with the answers that there are. @param {{ info: api.AskInfo, done: (said: string) => void }} props */
function Asking({ info, done }) {
  const { status, spaces } = useNode('spaces');
  const [ask, setAsk] = useState(/** @type {api.Ask | undefined} */ (undefined));
  const [error, setError] = useState(/** @type {import('/.kith/kith.js').KithError | undefined} */ (undefined));
  const look = () => {
    setError(undefined);
    node.connection.call('asks.look', { ask: info.ask }).then(setAsk, (thrown) => setError(fault(thrown)));
  };
  useEffect(look, []);
  if (error) return html`<section class="opening"><h1>It can’t be shown</h1><${Fault} error=${error}><button type="button" onClick=${look}>Try again</button></${Fault}></section>`;
  if (!ask || !spaces) return html`<${Wait}>Asking kith what ${info.app_name} wants…</${Wait}>`;
  const refuse = async () => {
    await node.connection.call('asks.refuse', { ask: ask.ask });
    done(ask.import ? 'Nothing was given' : 'Nothing was sent');
  };
  const app = status?.apps.find((one) => one.app === ask.app);
  if (ask.import) return html`<${Giving} ask=${ask} app=${app} spaces=${spaces} most=${ask.import.multiple ? MOST : 1} refuse=${refuse} done=${done} />`;
  return html`<${Sending} ask=${ask} app=${app} spaces=${spaces} refuse=${refuse} />`;
}

/** Whose question it is. @param {{ ask: api.Ask, app: api.AppInfo | undefined, spaces: api.SpaceInfo[], title: string, children: import('./parts.js').Child }} props */
function Head({ ask, app, spaces, title, children }) {
  const heading = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => { heading.current?.focus({ preventScroll: true }); }, []);
  const from = spaces.find(({ space }) => space === ask.space);
  return html`<header class="app"><${AppIcon} app=${{ icon: app?.icon ?? null, name: ask.app_name, app: ask.app }} />
    <div><h1 ref=${heading} tabindex="-1" dir="auto">${title}</h1><p dir="auto">${from ? `From its space “${from.name}”. ` : ''}${children}</p></div></header>`;
}

/** An app has something for a chat. @param {{ ask: api.Ask, app: api.AppInfo | undefined, spaces: api.SpaceInfo[], refuse: () => Promise<void> }} props */
function Sending({ ask, app, spaces, refuse }) {
  const [choice, setChoice] = useState('');
  const [word, setWord] = useState('');
  const chats = spaces.filter(({ space }) => ask.to.includes(space));
  const found = chats.filter(({ name }) => name.toLocaleLowerCase().includes(word.trim().toLocaleLowerCase()));
  // What is chosen stays in sight, whatever is looked for.
  const shown = found.filter(({ space }, at) => at < SHOWN || space === choice);
  const place = async () => {
    const space = choice === NEW ? (await node.connection.call('spaces.create', { app: /** @type {string} */ (ask.to_app) })).space : choice;
    // Tried again, it goes into the same one.
    setChoice(space);
    const { url } = await node.connection.call('asks.place', { ask: ask.ask, space });
    location.assign(url);
  };
  const option = (/** @type {string} */ value, /** @type {string} */ name, /** @type {string} */ what) => html`<label key=${value}>
    <input type="radio" name="chat" value=${value} checked=${choice === value} onChange=${() => setChoice(value)} /><span><strong dir="auto">${name}</strong><span>${what}</span></span></label>`;
  return html`<section class="opening">
    <${Head} ask=${ask} app=${app} spaces=${spaces} title=${`Send this from ${ask.app_name}?`}>It does not learn where this goes, or whether it goes.</${Head}>
    <h2>What it is</h2>
    ${ask.file && html`<p class="offered"><${Icon} name="file" /><span class="grow"><bdi>${ask.file.name}</bdi></span><span class="hint">${size(ask.file.size)}</span></p>`}
    ${ask.text && html`<p class="offered text" dir="auto" tabindex="0">${ask.text}</p>`}
    ${chats.length > SHOWN && html`<div class="field"><label for="chat-word">Find a chat</label><input id="chat-word" type="search" autocomplete="off" value=${word} onInput=${(/** @type {any} */ event) => setWord(event.target.value)} /></div>`}
    <fieldset class="choices"><legend>Which chat</legend>
      ${shown.map(({ space, name, members }) => option(space, name, company(members)))}
      ${found.length === 0 && chats.length > 0 && html`<p class="hint">No chat is called so.</p>`}
      ${found.length > shown.length && html`<p class="hint">And ${found.length - shown.length} more: find one by its name.</p>`}
      ${ask.to_app && option(NEW, 'A new chat', 'Nobody else is in it until you invite them.')}
    </fieldset>
    <p class="hint">It becomes a draft there. You can still change it, and nobody sees it before you send it.</p>
    <div class="row end sticky"><${Act} act=${refuse}>Don’t send it</${Act}>
      ${choice ? html`<${Act} class="main" act=${place}>Put it into the chat</${Act}>` : html`<button type="button" class="main" disabled>Put it into the chat</button>`}</div>
  </section>`;
}

/** Who would see it. @param {api.Member[]} members */
function company(members) {
  const others = members.filter(({ me }) => !me);
  return others.length === 0 ? 'Only you so far' : `With ${these(others.map(({ name }) => name))}`;
}

/** An app wants files. @param {{ ask: api.Ask, app: api.AppInfo | undefined, spaces: api.SpaceInfo[], most: number, refuse: () => Promise<void>, done: (said: string) => void }} props */
function Giving({ ask, app, spaces, most, refuse, done }) {
  const [found, setFound] = useState(/** @type {api.AskFiles | undefined} */ (undefined));
  const [error, setError] = useState(/** @type {import('/.kith/kith.js').KithError | undefined} */ (undefined));
  const [chosen, setChosen] = useState(/** @type {Set<string>} */ (new Set()));
  const [word, setWord] = useState('');
  const look = () => {
    setError(undefined);
    node.connection.call('asks.files', { ask: ask.ask }).then(setFound, (thrown) => setError(fault(thrown)));
  };
  useEffect(look, []);
  const keyOf = (/** @type {api.AskFile} */ { space, file }) => `${space}/${file.hash}`;
  const all = found?.files ?? [];
  const named = all.filter(({ file }) => file.name.toLocaleLowerCase().includes(word.trim().toLocaleLowerCase()));
  const shown = named.filter((one, at) => at < FILES_SHOWN || chosen.has(keyOf(one)));
  const choose = (/** @type {string} */ key, /** @type {boolean} */ on) => setChosen((before) => {
    if (most === 1) return new Set([key]);
    const next = new Set(before);
    if (!on) next.delete(key);
    else if (next.size < most) next.add(key);
    return next;
  });
  const give = async () => {
    const files = all.filter((one) => chosen.has(keyOf(one))).map(({ space, file }) => ({ space, hash: file.hash }));
    await node.connection.call('asks.give', { ask: ask.ask, files });
    done(`${ask.app_name} has ${count(files.length, 'file', 'files')} of yours`);
  };
  return html`<section class="opening">
    <${Head} ask=${ask} app=${app} spaces=${spaces} title=${`Give ${most === 1 ? 'a file' : 'files'} to ${ask.app_name}?`}>It gets a copy of what you choose, and does not learn what else there is. The people of its space may get it from it.</${Head}>
    ${error && html`<${Fault} error=${error}><button type="button" onClick=${look}>Try again</button></${Fault}>`}
    ${!error && !found && html`<${Wait}>Looking for files that fit…</${Wait}>`}
    ${found && all.length === 0 && html`<p>No file of its space and your chats fits what it asks for. Go back to the app to choose one from this computer.</p>`}
    ${all.length > SHOWN && html`<div class="field"><label for="file-word">Find a file</label><input id="file-word" type="search" autocomplete="off" value=${word} onInput=${(/** @type {any} */ event) => setWord(event.target.value)} /></div>`}
    ${all.length > 0 && html`<fieldset class="choices"><legend>${most === 1 ? 'Which file' : `Which files, ${most} at most`}</legend>
      ${shown.map((one) => html`<label key=${keyOf(one)}><input type=${most === 1 ? 'radio' : 'checkbox'} name="file" checked=${chosen.has(keyOf(one))} onChange=${(/** @type {any} */ event) => choose(keyOf(one), event.target.checked)} />
        <span><strong><bdi>${one.file.name}</bdi></strong><span>${size(one.file.size)} · ${spaces.find(({ space }) => space === one.space)?.name ?? 'A space'}</span></span></label>`)}
      ${named.length === 0 && html`<p class="hint">No file is called so.</p>`}
      ${named.length > shown.length && html`<p class="hint">And ${named.length - shown.length} more: find one by its name.</p>`}
      ${found?.more && html`<p class="hint">There are older ones, too, that are not shown.</p>`}
    </fieldset>`}
    <div class="row end sticky"><${Act} act=${refuse}>Give nothing</${Act}>
      ${chosen.size > 0 ? html`<${Act} class="main" act=${give}>Give ${count(chosen.size, 'file', 'files')}</${Act}>` : all.length > 0 && html`<button type="button" class="main" disabled>Give</button>`}</div>
  </section>`;
}
