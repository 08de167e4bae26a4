// The connection of a page with its person's node: JSON-RPC over a WebSocket that comes back by itself.
// Part of kith.js.
/** @import * as api from './kith-api.d.ts' */

/** Calls that wait for an answer at once. More are refused: the page calls in a loop. */
const MAX_CALLS = 1_000;
/** Events that wait for one iterator. Beyond it entries pause, and of all else the oldest go. */
const MAX_QUEUED = 2_000;
/** The first wait before connecting again, in ms. Each next one is twice as long. */
const FIRST_WAIT = 100;
/** The longest wait before connecting again, in ms: a person notices longer ones. */
const LONGEST_WAIT = 5_000;

/** Methods that do the same when they are called twice, so that they may be sent again. */
const REPEATABLE = new Set([
  'me', 'me.setName', 'space.read', 'space.members', 'node.status', 'settings.get', 'settings.set',
  'blobs.fetch', 'blobs.pause', 'blobs.drop', 'blobs.files', 'space.link',
  'apps.list', 'spaces.list', 'spaces.rename', 'peers.list', 'peers.block', 'keys.list', 'open.cancel', 'problems.dismiss',
]);

/**
 * What went wrong: `code` for programs, and for people `what` happened, `why`, and what `todo`.
 * Codes are the node's (see `ErrorCode`), and two of this file: `disconnected`, the node went away before
 * it answered; `refused`, the node does not know this page's permission any more.
 */
export class KithError extends Error {
  /** @param {{ code: api.ErrorCode | 'disconnected' | 'refused', what: string, why?: string, todo?: string }} parts */
  constructor({ code, what, why = '', todo = '' }) {
    super([what, why, todo].filter(Boolean).join(' '));
    this.name = 'KithError';
    this.code = code;
    this.what = what;
    this.why = why;
    this.todo = todo;
  }
}

export const disconnected = () => new KithError({
  code: 'disconnected',
  what: 'kith went away before it answered.',
  why: 'It was stopped, or this computer slept.',
  todo: 'Look whether it was done, then try again.',
});
export const refused = () => new KithError({
  code: 'refused',
  what: 'kith does not know this page any more.',
  why: 'Its permission is over, or it belongs to another kith.',
  todo: 'Open it again from kith.',
});

/** The socket's close code when the space was left. */
const SPACE_LEFT = 4410;
export const left = () => new KithError({
  code: 'space_left',
  what: 'This space was left.',
  why: 'What was here of it is deleted.',
  todo: 'Ask for an invitation to come back.',
});

/**
 * How the connection stands: `idle` until something is asked; `connecting`; `open`; `waiting` to try
 * again, the node being away; `refused` for good; `closed` by the page.
 * @typedef {'idle' | 'connecting' | 'open' | 'waiting' | 'refused' | 'closed'} State
 */

/**
 * @typedef {object} Call
 * @property {number} id
 * @property {string} method
 * @property {unknown} params
 * @property {boolean} sent
 * @property {(value: any) => void} resolve
 * @property {(error: unknown) => void} reject
 */

/** A JSON-RPC connection that comes back by itself. Dispatches `state` events. */
export class Connection extends EventTarget {
  /** @type {State} */ #state = 'idle';
  #url;
  #greet;
  /** @type {WebSocket | undefined} */ #socket;
  /** @type {Map<number, Call>} */ #calls = new Map();
  /** @type {Set<Stream>} */ #streams = new Set();
  /** @type {Map<number, Stream>} */ #numbered = new Map();
  #lastId = 0;
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  /** Why it was refused. @type {KithError | undefined} */ error;

  /**
   * @param {object} [options]
   * @param {string} [options.url] The socket's address; this origin's where it is left out.
   * @param {(call: (method: string, params: unknown) => Promise<any>) => Promise<void>} [options.greet]
   *   What to say first on every new socket. A KithError refuses the connection for good.
   */
  constructor({ url = `${location.origin.replace(/^http/, 'ws')}/.kith/api`, greet } = {}) {
    super();
    this.#url = url;
    this.#greet = greet;
    addEventListener('online', () => this.retry());
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.retry(); });
  }

  /** How it stands. */
  get state() {
    return this.#state;
  }

  /** When the next try is due, in ms since 1970, while `waiting`. @type {number | undefined} */ nextTry;

  /**
   * Calls a method of the node.
   * @template {keyof api.Methods} M
   * @param {M} method
   * @param {api.Methods[M]['params']} [params]
   * @param {{ signal?: AbortSignal | undefined }} [options]
   * @returns {Promise<api.Methods[M]['reply']>}
   */
  call(method, params = {}, { signal } = {}) {
    return this.#request(method, params, signal);
  }

  /**
   * Follows something. The subscription is renewed when the connection is.
   * @param {() => api.Subscription} what Asked for each renewal, so that it can go on where it was.
   * @param {object} [options]
   * @param {AbortSignal | undefined} [options.signal]
   * @param {boolean} [options.resumes] A renewal brings again what is still queued: forget the queue.
   * @returns {AsyncGenerator<api.Event, void, void>}
   */
  async *subscribe(what, { signal, resumes = true } = {}) {
    if (signal?.aborted) return;
    const stream = new Stream(what, resumes);
    const stop = () => stream.end();
    signal?.addEventListener('abort', stop, { once: true });
    this.#streams.add(stream);
    try {
      this.#connect();
      if (this.#state === 'open') void this.#begin(stream);
      for (;;) {
        const event = await stream.next();
        if (!event) return;
        yield event;
        if (stream.paused && stream.empty) void this.#begin(stream);
      }
    } finally {
      signal?.removeEventListener('abort', stop);
      this.#streams.delete(stream);
      this.#end(stream);
    }
  }

  /** Tries to connect now rather than when the wait is over. */
  retry() {
    if (this.#state !== 'waiting') return;
    this.#failures = 0;
    this.#connect();
  }

  /** Starts over after `refused`, with what has changed since. */
  restart() {
    if (this.#state !== 'refused') return;
    this.error = undefined;
    this.#set('idle');
    this.#connect();
  }

  /** Ends it. Calls under way reject. */
  close() {
    clearTimeout(this.#timer);
    this.#set('closed');
    this.#socket?.close();
    this.#giveUp(disconnected());
  }

  /** @param {State} state */
  #set(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.dispatchEvent(new Event('state'));
  }

  /** @param {string} method @param {unknown} params @param {AbortSignal} [signal] @returns {Promise<any>} */
  #request(method, params, signal, first = false) {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#state === 'refused') return Promise.reject(this.error ?? refused());
    if (this.#state === 'closed') return Promise.reject(disconnected());
    if (this.#calls.size >= MAX_CALLS) {
      return Promise.reject(new KithError({
        code: 'too_many', what: 'Too many calls wait for an answer.', todo: 'Wait for some of them first.',
      }));
    }
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      const done = () => { this.#calls.delete(id); signal?.removeEventListener('abort', abort); };
      const abort = () => {
        done();
        if (call.sent) this.#say({ method: 'cancel', params: { id } });
        reject(signal?.reason);
      };
      /** @type {Call} */
      const call = {
        id, method, params, sent: false,
        resolve: (value) => { done(); resolve(value); },
        reject: (error) => { done(); reject(error); },
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#calls.set(id, call);
      this.#connect();
      if (first || this.#state === 'open') this.#send(call);
    });
  }

  /** @param {Call} call */
  #send(call) {
    call.sent = true;
    this.#say({ id: call.id, method: call.method, params: call.params });
  }

  /** @param {object} message */
  #say(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify({ jsonrpc: '2.0', ...message }));
    }
  }

  #connect() {
    if (this.#state !== 'idle' && this.#state !== 'waiting') return;
    clearTimeout(this.#timer);
    this.nextTry = undefined;
    this.#set('connecting');
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => void this.#opened(socket);
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    socket.onclose = ({ code }) => this.#closed(socket, code);
  }

  /** @param {WebSocket} socket */
  async #opened(socket) {
    try {
      await this.#greet?.((method, params) => this.#request(method, params, undefined, true));
    } catch (error) {
      if (error instanceof KithError && error.code !== 'disconnected' && error.code !== 'stopping') this.#refuse(error);
      socket.close();
      return;
    }
    if (socket !== this.#socket || this.#state !== 'connecting') return;
    this.#failures = 0;
    this.#set('open');
    for (const call of [...this.#calls.values()]) if (!call.sent) this.#send(call);
    for (const stream of this.#streams) void this.#begin(stream);
  }

  /** @param {WebSocket} socket @param {number} code */
  #closed(socket, code) {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    if (code === SPACE_LEFT) {
      this.#refuse(left());
      // The answer tells the browser to forget what this origin has kept.
      void this.#isRefused();
      return;
    }
    this.#numbered.clear();
    for (const call of [...this.#calls.values()]) {
      if (call.sent && REPEATABLE.has(call.method)) call.sent = false;
      else if (call.sent) call.reject(disconnected());
    }
    if (this.#state === 'refused' || this.#state === 'closed') return;
    if (this.#state === 'connecting') void this.#isRefused().then((yes) => { if (yes) this.#refuse(refused()); });
    const wait = Math.min(FIRST_WAIT * 2 ** this.#failures++, LONGEST_WAIT) * (0.75 + Math.random() / 2);
    this.nextTry = Date.now() + wait;
    this.#timer = setTimeout(() => this.#connect(), wait);
    this.#set('waiting');
  }

  /** A socket that fails says nothing; a plain request tells a node that is away from one that refuses. */
  async #isRefused() {
    const url = this.#url.replace(/^ws/, 'http').replace(/\/api$/, '/kith.js');
    const status = await fetch(url, { cache: 'no-store' }).then((answer) => answer.status, () => 0);
    return [401, 403, 410, 421].includes(status) && this.#state !== 'open';
  }

  /** @param {KithError} error */
  #refuse(error) {
    clearTimeout(this.#timer);
    this.error = error;
    this.#set('refused');
    this.#socket?.close();
    this.#giveUp(error);
  }

  /** @param {KithError} error */
  #giveUp(error) {
    for (const call of [...this.#calls.values()]) call.reject(error);
    for (const stream of this.#streams) stream.end(error);
  }

  /** @param {any} message */
  #hear(message) {
    if (message.method === 'event') {
      const stream = this.#numbered.get(message.params.subscription);
      if (stream?.push(message.params.event) === 'full') this.#end(stream);
      return;
    }
    const call = this.#calls.get(message.id);
    if (message.error) call?.reject(new KithError(message.error.data ?? { code: 'internal', what: message.error.message }));
    else call?.resolve(message.result);
  }

  /** @param {Stream} stream */
  async #begin(stream) {
    const socket = this.#socket;
    stream.renew();
    try {
      const { subscription } = await this.#request('subscribe', stream.what());
      if (socket !== this.#socket) return;
      if (stream.ended) {
        this.#say({ method: 'unsubscribe', params: { subscription } });
      } else {
        stream.number = subscription;
        this.#numbered.set(subscription, stream);
      }
    } catch (error) {
      if (!(error instanceof KithError && error.code === 'disconnected')) stream.end(error);
    }
  }

  /** @param {Stream} stream */
  #end(stream) {
    if (stream.number === undefined || !this.#numbered.delete(stream.number)) return;
    this.#say({ method: 'unsubscribe', params: { subscription: stream.number } });
    stream.number = undefined;
  }
}

/** The queue between the socket and one iterator. */
class Stream {
  /** @type {number | undefined} */ number;
  paused = false;
  ended = false;
  /** @type {unknown} */ #error;
  /** @type {api.Event[]} */ #queue = [];
  /** @type {(() => void) | undefined} */ #wake;

  /** @param {() => api.Subscription} what @param {boolean} resumes */
  constructor(what, resumes) {
    this.what = what;
    this.resumes = resumes;
  }

  get empty() {
    return this.#queue.length === 0;
  }

  renew() {
    this.paused = false;
    if (this.resumes) this.#queue = [];
  }

  /** @param {api.Event} event @returns {'full' | undefined} */
  push(event) {
    if (this.paused) return undefined;
    this.#queue.push(event);
    this.#wake?.();
    if (this.#queue.length < MAX_QUEUED) return undefined;
    if (!this.resumes) {
      this.#queue.shift();
      return undefined;
    }
    this.paused = true;
    return 'full';
  }

  /** @param {unknown} [error] */
  end(error) {
    this.ended = true;
    this.#error = error;
    this.#wake?.();
  }

  /** The next event, or nothing at the end. */
  async next() {
    while (this.empty && !this.ended) await /** @type {Promise<void>} */ (new Promise((wake) => { this.#wake = wake; }));
    if (this.ended && this.#error) throw this.#error;
    return this.ended ? undefined : this.#queue.shift();
  }
}

/** This page's connection. Nothing is sent before the first call. */
export const connection = new Connection();
