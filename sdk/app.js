// The app of this page, of which a newer version may be installed while the page runs.
import { connection } from './connection.js';

/** @import * as api from './kith-api.d.ts' */
/** How the version that a page runs stands to the installed one. @typedef {api.PageUpdate} PageUpdate */

/** What the bar says, by how the page stands. @type {Partial<Record<api.PageState, string>>} */
const WORDS = {
  older: 'A new version of this app is installed.',
  gone: 'This page is from before an update. Reload it to go on.',
};

/**
 * The app. Dispatches `update` when a newer version of it was installed than the one that this page runs, and
 * when its files are gone. A page that calls `preventDefault` says so itself; else kith shows a bar.
 */
class App extends EventTarget {
  /** How this page stands, once kith has said so. @type {PageUpdate | undefined} */ update;

  /** Loads all open pages of this space anew, this one too, with the installed version. */
  async reload() {
    await connection.call('app.reload');
    location.reload();
  }
}

export const app = new App();

/** The bar, while it is shown. @type {HTMLElement | undefined} */
let bar;

/** Tells the page's style how high the bar is, so that it can leave room: `var(--kith-bar, 0px)`. */
const room = new ResizeObserver(() => {
  if (bar?.isConnected) document.documentElement.style.setProperty('--kith-bar', `${bar.offsetHeight}px`);
});

/** Takes the bar away, where it is shown. */
function hide() {
  room.disconnect();
  bar?.remove();
  bar = undefined;
  document.documentElement.style.removeProperty('--kith-bar');
}

// Important, for else an app's rules for its own elements win. The colours are those of web/tokens.css.
const STYLE = `
  :host { all: initial !important; position: fixed !important; inset: auto 0 0 !important; display: block !important; overflow: visible !important; color-scheme: light dark !important; }
  div { display: flex; flex-wrap: wrap; align-items: center; justify-content: center; gap: 8px 12px; padding: 8px 16px calc(8px + env(safe-area-inset-bottom));
    border-top: 1px solid light-dark(#dcdcd6, #343a37); background: light-dark(#fff, #1c1f1d); color: light-dark(#1c1d1b, #e8eae7);
    font: 14px/1.4 system-ui, sans-serif; box-shadow: 0 -2px 12px rgb(0 0 0 / 12%); }
  p { margin: 0; text-wrap: balance; }
  span { display: flex; gap: 8px; }
  button { min-height: 36px; padding: 4px 14px; border: 1px solid light-dark(#85887f, #7d857f); border-radius: 6px; background: none; color: inherit; font: inherit; cursor: pointer; }
  button.main { border-color: light-dark(#0b6658, #62c9b2); background: light-dark(#0b6658, #62c9b2); color: light-dark(#fff, #05231c); font-weight: 600; }
  button:focus-visible { outline: 2px solid light-dark(#0b6658, #62c9b2); outline-offset: 2px; }
`;

/** @param {string} text @param {string} kind @param {() => void} act */
function button(text, kind, act) {
  const made = Object.assign(document.createElement('button'), { type: 'button', className: kind, textContent: text });
  made.addEventListener('click', act);
  return made;
}

/** Shows the bar, above whatever the page shows. @param {string} words @param {() => void} reload */
function show(words, reload) {
  hide();
  const host = bar = document.createElement('kith-bar');
  host.popover = 'manual';
  host.role = 'complementary';
  host.setAttribute('aria-label', 'kith');
  const root = host.attachShadow({ mode: 'open' });
  const style = Object.assign(document.createElement('style'), { textContent: STYLE });
  const [line, said, buttons] = [document.createElement('div'), document.createElement('p'), document.createElement('span')];
  said.setAttribute('role', 'status');
  buttons.append(button('Reload', 'main', reload), button('Later', '', hide));
  line.append(said, buttons);
  root.append(style, line);
  document.body.append(host);
  host.showPopover();
  room.observe(host);
  // A live region is read when it changes, not when it comes.
  said.textContent = words;
}

async function follow() {
  /** @type {string | undefined} */ let loaded;
  for await (const event of connection.subscribe(() => (loaded ? { to: 'app', loaded } : { to: 'app' }))) {
    if (event.type !== 'update') continue;
    loaded ??= event.loaded;
    app.update = event;
    if (event.state === 'reload') location.reload();
    const words = WORDS[event.state];
    if (!words) {
      hide();
    } else if (app.dispatchEvent(new Event('update', { cancelable: true }))) {
      show(words, () => void (event.state === 'older' ? app.reload() : Promise.reject()).catch(() => location.reload()));
    }
  }
}

// With the first call of the page: before it nothing is sent.
connection.addEventListener('state', () => void follow().catch(() => {}), { once: true });
