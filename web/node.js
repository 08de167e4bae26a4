// The node, as the dashboard sees it: the way in, what it last said, and how much flowed when.
import { Connection, KithError } from '/.kith/kith.js';

/** @import * as api from '../sdk/kith-api.d.ts' */

/** How often what no event tells is asked again while a page shows it, in ms. */
const ASK_EVERY = 1_000;
/** An answer may take this share of the time at most: ten thousand people are asked for less often. */
const ASK_SHARE = 1 / 30;
/** But so often at least, in ms, however long an answer took: one slow answer must not leave old news. */
const ASK_AT_LEAST = 5_000;
/** How often the traffic is looked at, in ms. */
const SAMPLE_EVERY = 1_000;
/** How long what flowed is kept, in ms: five minutes. */
export const SPAN = 300_000;
/** How long other tabs are waited for when this one has no way in, in ms. */
const ASK_TABS = 400;

/** Other tabs of this dashboard, which may lend their way in. */
const tabs = new BroadcastChannel('kith');
tabs.addEventListener('message', ({ data }) => {
  const session = sessionStorage.getItem('session');
  if (data === 'who has a session?' && session) tabs.postMessage({ session });
  if (typeof data?.session === 'string' && node.connection.state === 'refused') {
    sessionStorage.setItem('session', data.session);
    node.connection.restart();
    node.start();
  }
});

/** @returns {Promise<string | undefined>} */
function askTabs() {
  return new Promise((resolve) => {
    const timer = setTimeout(() => done(undefined), ASK_TABS);
    /** @param {string | undefined} session */
    const done = (session) => {
      clearTimeout(timer);
      tabs.removeEventListener('message', hear);
      resolve(session);
    };
    const hear = (/** @type {MessageEvent} */ { data }) => { if (typeof data?.session === 'string') done(data.session); };
    tabs.addEventListener('message', hear);
    tabs.postMessage('who has a session?');
  });
}

/** What stood behind the `#` when the page was opened: a token that works once, and where to go. */
let arrival = new URLSearchParams();

/** Takes the token out of the address, so that it is not kept in the history. */
export function arrive() {
  const { hash } = location;
  if (!/[#&?]token=/.test(hash)) return;
  const [path, query] = hash.startsWith('#/') ? hash.slice(1).split('?') : ['', hash.slice(1)];
  arrival = new URLSearchParams(query);
  const to = path || arrival.get('at') || '/';
  history.replaceState(null, '', `/#${to.startsWith('/') ? to : `/${to}`}`);
}

/** @param {(method: string, params: unknown) => Promise<any>} call */
async function greet(call) {
  const token = arrival.get('token');
  arrival.delete('token');
  /** @type {(() => Promise<object | undefined>)[]} */
  const ways = [
    async () => (token ? { token } : undefined),
    async () => { const session = sessionStorage.getItem('session'); return session ? { session } : undefined; },
    async () => { const session = await askTabs(); return session ? { session } : undefined; },
  ];
  for (const way of ways) {
    const proof = await way();
    if (!proof) continue;
    try {
      const { session } = await call('auth', proof);
      sessionStorage.setItem('session', session);
      if ('token' in proof) tabs.postMessage({ session });
      return;
    } catch (error) {
      if (!(error instanceof KithError && error.code === 'not_permitted')) throw error;
    }
  }
  sessionStorage.removeItem('session');
  throw new KithError({ code: 'refused', what: 'This tab has no way into kith.', why: 'A way in works once, and for the browser that kith opened.', todo: 'Run kith again.' });
}

/** @param {api.AppInfo} app */
const versionOf = ({ app, version }) => `${app} ${version}`;

/**
 * What flowed by app in the `over` ms before the moment `at`, in ms since 1970. About a second; while the page
 * is hidden there are none.
 * @typedef {{ at: number, over: number, apps: Map<string, api.Traffic> }} Sample
 */

/** What the node last said. Dispatches `change`. */
class Node extends EventTarget {
  connection = new Connection({ greet });
  /** @type {api.Status | undefined} */ status;
  /** @type {api.SpaceInfo[] | undefined} */ spaces;
  /** @type {api.PeerInfo[] | undefined} */ peers;
  /** @type {api.Settings | undefined} */ settings;
  /** @type {api.KeyInfo[] | undefined} */ keys;
  /** Why something could not be asked. @type {KithError | undefined} */ error;
  /** The newest last. @type {Sample[]} */ samples = [];
  /** Whether the person told the node to stop. */ stopped = false;
  /** What is shown: how many views want it. @type {Record<'spaces' | 'peers' | 'settings' | 'keys', number>} */
  #wanted = { spaces: 0, peers: 0, settings: 0, keys: 0 };
  /** @type {AbortController | undefined} */ #following;
  /** By version of an app; null while it is asked for. @type {Map<string, string | null>} */ #icons = new Map();
  /** @type {{ at: number, apps: Map<string, api.Traffic> } | undefined} */ #last;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #ticking;
  #lastAsked = 0;
  #took = 0;
  #asking = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #later;

  constructor() {
    super();
    this.connection.addEventListener('state', () => {
      if (this.connection.state === 'open') this.stopped = false;
      this.changed();
    });
    document.addEventListener('visibilitychange', () => (document.hidden ? this.#rest() : this.start()));
  }

  /** Follows the node, until the page is hidden. */
  start() {
    if (this.#following || document.hidden) return;
    const following = this.#following = new AbortController();
    this.#ticking ??= setInterval(() => this.#sample(), SAMPLE_EVERY);
    void this.#follow(following);
  }

  #rest() {
    clearInterval(this.#ticking);
    clearTimeout(this.#later);
    this.#ticking = this.#later = undefined;
    this.#following?.abort();
    this.#following = undefined;
    this.#last = undefined;
  }

  /** @param {AbortController} following */
  async #follow(following) {
    try {
      let first = true;
      for await (const event of this.connection.subscribe(() => ({ to: 'status' }), { signal: following.signal })) {
        if (event.type !== 'status') continue;
        this.#take(event);
        this.#last ??= { at: Date.now(), apps: this.#totals() };
        this.changed();
        // What is shown may be from before the page was hidden.
        void this.refresh(first);
        first = false;
      }
    } catch (error) {
      this.#fail(error);
      if (this.#following === following) this.#rest();
    }
  }

  /** Takes a status, and gives its apps their icons, which it leaves out. @param {api.Status} status */
  #take(status) {
    this.status = { ...status, apps: status.apps.map((app) => ({ ...app, icon: this.#icons.get(versionOf(app)) ?? app.icon })) };
    if (status.apps.every((app) => this.#icons.has(versionOf(app)))) return;
    for (const app of status.apps) this.#icons.set(versionOf(app), null);
    void this.connection.call('apps.list').then(({ apps }) => {
      for (const app of apps) this.#icons.set(versionOf(app), app.icon);
      if (this.status) this.#take(this.status);
      this.changed();
    }, (error) => { this.#icons.clear(); this.#fail(error); });
  }

  /** A view wants to be kept up to date on something, until it calls what is returned. @param {'spaces' | 'peers' | 'settings' | 'keys'} what */
  want(what) {
    this.#wanted[what]++;
    // What a view wants together is asked for together.
    queueMicrotask(() => void this.refresh());
    return () => { this.#wanted[what]--; };
  }

  /** Asks again for what is shown: at once after a change of one's own, else now and then. */
  async refresh(atOnce = true) {
    const pause = Math.min(Math.max(ASK_EVERY, this.#took / ASK_SHARE), ASK_AT_LEAST);
    const early = atOnce ? 0 : this.#lastAsked + this.#took + pause - Date.now();
    if (this.#asking || early > 0) {
      // What changed meanwhile may be the last change for long.
      if (this.#following) this.#later ??= setTimeout(() => { this.#later = undefined; void this.refresh(false); }, Math.max(early, ASK_EVERY));
      return;
    }
    this.#asking = true;
    this.#lastAsked = Date.now();
    const { connection } = this;
    try {
      await Promise.all([
        this.#wanted.spaces > 0 && connection.call('spaces.list').then(({ spaces }) => { this.spaces = spaces; }),
        this.#wanted.peers > 0 && connection.call('peers.list').then(({ peers }) => { this.peers = peers; }),
        this.#wanted.keys > 0 && connection.call('keys.list').then(({ keys }) => { this.keys = keys; }),
        this.#wanted.settings > 0 && connection.call('settings.get').then((settings) => { this.settings = settings; }),
      ]);
      this.error = undefined;
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#asking = false;
      this.#took = Date.now() - this.#lastAsked;
      this.changed();
    }
  }

  /** @param {unknown} error */
  #fail(error) {
    if (error instanceof KithError && error.code === 'disconnected') return;
    this.error = fault(error);
    this.changed();
  }

  #totals() {
    return new Map((this.status?.apps ?? []).map(({ app, traffic }) => [app, traffic]));
  }

  #sample() {
    if (!this.#last || this.connection.state !== 'open') return;
    const [at, totals, last] = [Date.now(), this.#totals(), this.#last];
    /** @type {Sample['apps']} */ const apps = new Map();
    for (const [app, { sent, received }] of totals) {
      const before = last.apps.get(app) ?? { sent: 0, received: 0 };
      // A node that started anew counts from nothing.
      apps.set(app, { sent: Math.max(0, sent - before.sent), received: Math.max(0, received - before.received) });
    }
    this.#last = { at, apps: totals };
    this.samples = [...this.samples.filter((sample) => at - sample.at < SPAN), { at, over: Math.max(1, at - last.at), apps }];
    this.changed();
    void this.refresh(false);
  }

  changed() {
    this.dispatchEvent(new Event('change'));
  }
}

/** @param {unknown} error */
export function fault(error) {
  return error instanceof KithError ? error : new KithError({ code: 'internal', what: 'The dashboard failed.', why: String(error), todo: 'Reload the page.' });
}

export const node = new Node();

/** Opens a space in a tab of its own. @param {string} space */
export async function openSpace(space) {
  const { url } = await node.connection.call('page.url', { space });
  goTo(url);
}

/** Opens a page in a tab of its own, or, where the browser allows none, in this one. @param {string} url */
export function goTo(url) {
  if (!window.open(url, '_blank')) location.assign(url);
}
