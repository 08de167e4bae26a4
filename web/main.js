// The dashboard: its frame, and which page is shown.
import { Activity } from './activity.js';
import { AppPage } from './apps.js';
import { Asks, Waiting } from './asks.js';
import { Home } from './home.js';
import { html, render, useEffect, useRef, useState } from './html.js';
import { arrive, node } from './node.js';
import { Opening } from './opening.js';
import { Copy, Fault, Icon, Logo, useNode, useTitle } from './parts.js';
import { People } from './people.js';
import { Settings } from './settings.js';
import { Space } from './spaces.js';
import { count } from './words.js';

/** A lost connection is told after this time, in ms: most come back sooner. */
const PATIENCE = 700;

/** The pages, by the beginning of their address. */
const PAGES = /** @type {const} */ ([
  { path: '/', name: 'Home', icon: 'house', page: Home },
  { path: '/people', name: 'People', icon: 'users', page: People },
  { path: '/activity', name: 'Activity', icon: 'activity', page: Activity },
  { path: '/settings', name: 'Settings', icon: 'settings', page: Settings },
]);

/** What stands behind the `#`. */
const where = () => location.hash.slice(1).split('?')[0] || '/';

function useWhere() {
  const [path, setPath] = useState(where);
  useEffect(() => {
    const move = () => { setPath(where()); scrollTo(0, 0); };
    addEventListener('hashchange', move);
    return () => removeEventListener('hashchange', move);
  }, []);
  return path;
}

/** @param {{ path: string }} props */
function Page({ path }) {
  const [, kind, id] = path.split('/');
  if (kind === 'open' && id) return html`<${Opening} key=${id} id=${id} />`;
  if (kind === 'app' && id) return html`<${AppPage} key=${id} id=${id} />`;
  if (kind === 'space' && id) return html`<${Space} key=${id} id=${id} />`;
  if (path === '/asks') return html`<${Asks} />`;
  const found = PAGES.find((one) => one.path === path);
  return found ? html`<${found.page} />` : html`<${Missing} />`;
}

function Missing() {
  useTitle('No such page');
  return html`<section class="blank"><h1>There is no such page</h1><p>The address may be misspelt, or belong to another version of kith.</p>
    <a class="button main" href="#/">To the beginning</a></section>`;
}

/** How it stands, in two words. @param {{ lost: boolean }} props */
function Pulse({ lost }) {
  const { status } = useNode();
  if (lost) return html`<p class="pulse bad" role="status"><${Icon} name="circle-alert" />kith does not answer</p>`;
  if (!status) return html`<p class="pulse" role="status"></p>`;
  const words = status.connected > 0 ? `${count(status.connected, 'person', 'people')} connected` : 'Nobody connected';
  return html`<p class=${`pulse ${status.connected > 0 ? 'good' : ''}`} role="status"><span class="dot"></span>${words}${status.offline ? ' · offline mode' : ''}</p>`;
}

/** Whether the connection has been gone for a while. */
function useLost() {
  const { connection } = useNode();
  const [lost, setLost] = useState(false);
  const open = connection.state === 'open';
  useEffect(() => {
    if (open) {
      setLost(false);
      return undefined;
    }
    const timer = setTimeout(() => setLost(true), PATIENCE);
    return () => clearTimeout(timer);
  }, [open]);
  return lost;
}

function App() {
  const path = useWhere();
  const { connection, error, stopped, status } = useNode();
  const lost = useLost();
  const main = useRef(/** @type {HTMLElement | null} */ (null));
  const first = useRef(true);
  // A new page is where the keyboard and the reader go on.
  useEffect(() => {
    if (!first.current) main.current?.focus({ preventScroll: true });
    first.current = false;
  }, [path]);
  if (connection.state === 'refused') return html`<${NoWayIn} />`;
  if (stopped && lost) return html`<${Stopped} />`;
  return html`
    <a class="skip" href="#main" onClick=${(/** @type {Event} */ event) => { event.preventDefault(); main.current?.focus(); }}>To the content</a>
    <header class="frame">
      <a class="brand" href="#/" aria-label="kith, home"><${Logo} /><span>kith</span></a>
      <nav aria-label="Pages">
        ${PAGES.map(({ path: to, name, icon }) => html`<a key=${to} href=${`#${to}`} aria-current=${path === to ? 'page' : undefined}><${Icon} name=${icon} /><span>${name}</span></a>`)}
      </nav>
      <${Pulse} lost=${lost} />
    </header>
    <main ref=${main} id="main" tabindex="-1">
      ${lost && html`<${Fault} kind="warn" error=${{
        what: 'kith does not answer.', why: 'It was stopped, or this computer is busy.',
        todo: status ? 'What you see is from before. This page tries again by itself.' : 'This page tries again by itself.',
      }}><button type="button" onClick=${() => connection.retry()}>Try now</button></${Fault}>`}
      ${!lost && error && html`<${Fault} error=${error}><button type="button" onClick=${() => { node.start(); void node.refresh(); }}>Try again</button></${Fault}>`}
      ${status && status.asks.length > 0 && path !== '/asks' && html`<${Waiting} asks=${status.asks} />`}
      <${Page} path=${path} />
    </main>`;
}

/** A terminal's line, to copy. */
const run = html`<p class="command"><code>kith</code><${Copy} text="kith" what="the command" /></p>`;

function NoWayIn() {
  useTitle('Run kith again');
  return html`<main class="alone"><${Logo} /><h1>Run kith again</h1>
    <p>This tab has no way into kith: it opens for the browser tab that kith itself brought up, so that no web page and nobody else on this computer gets in.</p>
    <p>Start kith once more, from your applications or in a terminal. It brings up this page again.</p>
    ${where() === '/asks' && html`<p>What the app asks waits meanwhile, as long as its page is open.</p>`}
    ${run}
    <button type="button" onClick=${() => node.connection.restart()}>Ask another open tab</button></main>`;
}

function Stopped() {
  useTitle('Stopped');
  return html`<main class="alone"><${Logo} /><h1>kith is stopped</h1>
    <p>Nothing is sent or received. What you have is kept, and this page goes on when kith is started again.</p>
    ${run}</main>`;
}

arrive();
addEventListener('hashchange', arrive);
node.start();
const app = /** @type {Element} */ (document.getElementById('app'));
app.replaceChildren();
render(html`<${App} />`, app);
