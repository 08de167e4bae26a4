// webxdc.js: the interface of webxdc apps (https://webxdc.org/docs), on kith. A classic script, as
// the format wants it. The node puts who one is into the next line when it serves this file.
(() => {
  const self = /** @type {{ id: string, name: string } | null} */ (/*KITH_SELF*/null);
  const kith = import(new URL('/.kith/kith.js', location.href).href);

  /** Shortest time between updates that apps are asked to keep, in ms. Each one is kept for ever by everyone. */
  const UPDATE_INTERVAL = 100;
  /** Largest update, in bytes as JSON: below kith's 128 KiB for an entry, with room for what surrounds it. */
  const UPDATE_MAX_SIZE = 128_000;
  /** Largest realtime message, in bytes: the format's own limit. */
  const REALTIME_MAX_SIZE = 128_000;

  /** Largest file that goes to a chat by kith, in bytes: the node's limit. A larger one can be saved. */
  const FILE_MAX_SIZE = 100_000_000;
  /** Longest text that goes to a chat by kith, in bytes of UTF-8: the node's limit. */
  const TEXT_MAX_SIZE = 16_000;

  /** How long what is handed out stays readable for the browser, in ms. */
  const REVOKED_AFTER = 60_000;

  /** The listener's end. @type {AbortController | undefined} */
  let listening;
  /** @type {{ leave(): void } | undefined} */
  let channel;
  /** Whether the person is asked something by this page: one thing at a time. */
  let asking = false;
  /** Updates are sent one after another. */
  let sending = Promise.resolve();

  /** @param {unknown} error */
  const report = (error) => { if (!(error instanceof DOMException && error.name === 'AbortError')) console.error(error); };

  /**
   * Calls the listener with all updates after `serial`, then with those to come. Resolves when it has
   * seen all that were here.
   * @param {(update: any) => void} callback @param {number} [serial]
   */
  async function setUpdateListener(callback, serial = 0) {
    listening?.abort();
    const { signal } = listening = new AbortController();
    const { space } = await kith;
    const newest = await space.read({ kind: 'update', before: Number.MAX_SAFE_INTEGER, limit: 1 });
    let top = newest.at(-1)?.serial ?? 0;
    /** @type {() => void} */ let caughtUp = () => {};
    const done = new Promise((resolve) => { caughtUp = () => resolve(undefined); });
    if (top <= serial) caughtUp();
    void (async () => {
      for await (const entry of space.watch({ kind: 'update', after: serial, signal })) {
        top = Math.max(top, entry.serial);
        if (entry.body && typeof entry.body === 'object') {
          try {
            callback({ ...entry.body, serial: entry.serial, max_serial: top });
          } catch (error) {
            report(error);
          }
        }
        if (entry.serial >= top) caughtUp();
      }
    })().catch(report).finally(caughtUp);
    await done;
  }

  /** @param {any} update */
  function sendUpdate(update) {
    /** @type {Record<string, unknown>} */ const kept = {};
    for (const key of ['payload', 'info', 'document', 'summary', 'href', 'notify']) {
      if (update?.[key] !== undefined) kept[key] = update[key];
    }
    // A copy, taken now: the app may go on to change its object.
    const body = JSON.parse(JSON.stringify(kept));
    sending = sending.then(async () => {
      const { space } = await kith;
      await space.append(body, { kind: 'update' });
    }).catch(report);
  }

  /** A channel for messages that are not kept. One at a time. */
  function joinRealtimeChannel() {
    if (channel) throw new Error('The realtime channel is joined already. Leave it first.');
    const ended = new AbortController();
    /** @type {((data: Uint8Array) => void) | undefined} */ let listener;
    void (async () => {
      const { space } = await kith;
      for await (const { body } of space.messages({ signal: ended.signal })) {
        if (!(body instanceof Uint8Array)) continue;
        try {
          listener?.(body);
        } catch (error) {
          report(error);
        }
      }
    })().catch(report);
    const live = () => { if (ended.signal.aborted) throw new Error('The realtime channel was left.'); };
    const joined = {
      /** @param {(data: Uint8Array) => void} callback */
      setListener(callback) { live(); listener = callback; },
      /** @param {Uint8Array} data */
      send(data) {
        live();
        if (!(data instanceof Uint8Array)) throw new Error('A realtime message is a Uint8Array.');
        if (data.length > REALTIME_MAX_SIZE) throw new Error(`A realtime message has ${REALTIME_MAX_SIZE} bytes at most.`);
        const copy = data.slice();
        kith.then(({ space }) => space.send(copy, { signal: ended.signal })).catch(report);
      },
      leave() { ended.abort(); channel = undefined; },
    };
    channel = joined;
    return joined;
  }

  /** kith's own small window over the app: as every page of kith looks. */
  const SHEET = `
    :host { all: initial; }
    dialog { box-sizing: border-box; width: min(400px, calc(100vw - 32px)); padding: 20px; border: 1px solid light-dark(#dcdcd6, #343a37); border-radius: 16px;
      background: light-dark(#fff, #1c1f1d); color: light-dark(#1c1d1b, #e8eae7); font: 1rem/1.45 system-ui, sans-serif; color-scheme: light dark; }
    dialog::backdrop { background: rgb(0 0 0 / 40%); }
    h2 { margin: 0 0 8px; font-size: 1.25rem; }
    p { margin: 0 0 12px; overflow-wrap: anywhere; white-space: pre-wrap; max-height: 30vh; overflow: auto; }
    div { display: flex; flex-wrap: wrap; gap: 8px; }
    button { min-height: 36px; padding: 4px 16px; border: 1px solid light-dark(#85887f, #7d857f); border-radius: 6px; background: none; color: inherit; font: inherit; cursor: pointer; max-width: 100%; overflow-wrap: anywhere; }
    button:hover { background: light-dark(#eeeeea, #262a28); }
    button.main { border-color: light-dark(#0b6658, #62c9b2); background: light-dark(#0b6658, #62c9b2); color: light-dark(#fff, #05231c); }
    button.main:hover { background: light-dark(#084f44, #8adbc8); }
    button[aria-disabled=true] { opacity: .6; cursor: default; }
    .said { min-height: 1.45em; color: light-dark(#5a5d57, #a5aca6); font-size: .875rem; }
    .said.bad { color: light-dark(#a8231b, #f39a92); }
    :focus-visible { outline: 2px solid light-dark(#0b6658, #62c9b2); outline-offset: 2px; }`;

  /**
   * Asks the person something that only a click of theirs may do.
   * @param {string} title @param {string[]} lines
   * @param {{ label: string, main?: boolean, act: (done: () => void) => void }[]} choices The main one waits until it is `ready`.
   */
  function ask(title, lines, choices) {
    const make = (/** @type {string} */ tag, /** @type {string} */ text = '') => Object.assign(document.createElement(tag), { textContent: text });
    const host = make('div');
    const dialog = /** @type {HTMLDialogElement} */ (make('dialog'));
    const row = make('div');
    /** @type {HTMLButtonElement | undefined} */ let first;
    for (const { label, main = false, act } of [...choices, { label: 'Close', act: (/** @type {() => void} */ done) => done() }]) {
      const button = /** @type {HTMLButtonElement} */ (make('button', label));
      button.onclick = () => { if (button.ariaDisabled !== 'true') act(() => dialog.close()); };
      if (main) {
        // It has the focus from the start, so it is not simply disabled.
        Object.assign(button, { className: 'main', autofocus: true, ariaDisabled: 'true' });
        first = button;
      }
      row.append(button);
    }
    const said = make('p');
    said.className = 'said';
    said.setAttribute('role', 'status');
    said.hidden = !first;
    const heading = make('h2', title);
    heading.id = 'title';
    dialog.setAttribute('aria-labelledby', 'title');
    dialog.append(heading, ...lines.filter(Boolean).map((line) => make('p', line)), said, row);
    host.attachShadow({ mode: 'open' }).append(make('style', SHEET), dialog);
    document.documentElement.append(host);
    dialog.showModal();
    return {
      /** Resolves when it is closed. @type {Promise<void>} */
      over: new Promise((resolve) => {
        dialog.onclose = () => { host.remove(); resolve(); };
      }),
      close: () => dialog.close(),
      /** How it stands. @param {string} words @param {'' | 'bad'} [kind] */
      say(words, kind = '') { Object.assign(said, { textContent: words, className: `said ${kind}`, hidden: false }); },
      /** Lets the main choice be made, or no more. @param {boolean} yes */
      ready(yes) { if (first) first.ariaDisabled = String(!yes); },
    };
  }

  /**
   * Runs what asks the person. @template T @param {() => Promise<T>} what @returns {Promise<T>}
   */
  async function alone(what) {
    if (asking) throw new Error('This app asks for something already: one thing at a time.');
    asking = true;
    return what().finally(() => { asking = false; });
  }

  /** “1.5 MB”. @param {number} bytes */
  function sizeOf(bytes) {
    const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];
    const step = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(bytes, 1)) / 3)));
    return new Intl.NumberFormat(undefined, { style: 'unit', unit: units[step], unitDisplay: step === 0 ? 'long' : 'short', maximumFractionDigits: 1 }).format(bytes / 1000 ** step);
  }

  /**
   * Lets the person choose files: of this computer, or of this space and their chats. None, where they choose none.
   * @param {{ extensions?: string[], mimeTypes?: string[], multiple?: boolean }} [filter]
   * @returns {Promise<File[]>}
   */
  function importFiles({ extensions = [], mimeTypes = [], multiple = false } = {}) {
    return alone(async () => {
      const accept = [...extensions.map((one) => (one.startsWith('.') ? one : `.${one}`)), ...mimeTypes].join(',');
      const input = Object.assign(document.createElement('input'), { type: 'file', multiple, accept });
      /** @type {File[]} */ let chosen = [];
      input.onchange = () => { chosen = [...input.files ?? []]; sheet.close(); };
      const closed = new AbortController();
      let begun = false;
      const fromKith = () => {
        const opened = window.open('/.kith/ask', '_blank');
        sheet.say(opened ? 'You choose on kith’s own page. This app gets what you choose, and sees nothing else.' : 'The browser opens no page. Open kith yourself: it asks there, too.', opened ? '' : 'bad');
        if (begun) return;
        begun = true;
        given({ extensions, types: mimeTypes, multiple }, closed.signal).then((files) => {
          if (closed.signal.aborted) return;
          chosen = files;
          sheet.close();
        }, (error) => {
          begun = false;
          if (!closed.signal.aborted) sheet.say(error instanceof Error ? error.message : String(error), 'bad');
        });
      };
      const sheet = ask(multiple ? 'Choose files?' : 'Choose a file?', ['This app asks for what you choose here, and gets nothing else.'], [
        { label: 'From this computer', act: () => input.click() },
        { label: 'From kith', act: fromKith },
      ]);
      await sheet.over;
      closed.abort();
      return chosen;
    });
  }

  /** Has kith ask the person for files, and reads those. @param {import('./kith-api.d.ts').Import} filter @param {AbortSignal} signal */
  async function given(filter, signal) {
    const { connection } = await kith;
    const { files } = await connection.call('space.import', filter, { signal });
    return Promise.all(files.map(async (/** @type {import('./kith-api.d.ts').FileRef} */ { url, name, type }) => {
      const answer = await fetch(url, { signal });
      if (!answer.ok) throw new Error(`“${name}” can’t be read.`);
      return new File([await answer.blob()], name, { type });
    }));
  }

  /** The bytes of a message's file. @param {{ name: string, blob?: Blob, base64?: string, plainText?: string }} file */
  function bytesOf({ name, blob, base64, plainText }) {
    if (typeof name !== 'string' || name === '') throw new Error('The file has no name.');
    if ([blob, base64, plainText].filter((content) => content !== undefined).length !== 1) throw new Error('A file has exactly one of blob, base64 and plainText.');
    if (blob !== undefined && !(blob instanceof Blob)) throw new Error('The blob of a file is a Blob.');
    return blob ?? new Blob([plainText ?? Uint8Array.from(atob(base64 ?? ''), (c) => c.charCodeAt(0))]);
  }

  /** Saves a file where the browser saves downloads. @param {string} name @param {Blob} bytes */
  function save(name, bytes) {
    const href = URL.createObjectURL(bytes);
    Object.assign(document.createElement('a'), { href, download: name }).click();
    // The download reads it after the click.
    setTimeout(() => URL.revokeObjectURL(href), REVOKED_AFTER);
  }

  /**
   * Hands a message to kith, which asks the person on a page of its own. Resolves when they have answered.
   * @param {string} text @param {{ name: string, bytes: Blob } | undefined} file
   * @param {AbortSignal} signal @param {() => void} ready Called when kith has it.
   */
  async function offer(text, file, signal, ready) {
    if (file && file.bytes.size > FILE_MAX_SIZE) throw new Error(`This file is too large for a chat: ${sizeOf(FILE_MAX_SIZE)} is the most. Save it, and add it there.`);
    if (new TextEncoder().encode(text).length > TEXT_MAX_SIZE) throw new Error(`This text is too long for a chat: ${sizeOf(TEXT_MAX_SIZE)} is the most. Copy it.`);
    const { blobs, connection } = await kith;
    /** @type {import('./kith-api.d.ts').Offer} */ const message = { text };
    if (file) {
      const { hash, name, type } = await blobs.add(file.bytes, { name: file.name, signal });
      message.file = { hash, name, type };
    }
    const answered = connection.call('space.offer', message, { signal });
    ready();
    await answered;
  }

  /**
   * Lets the person send something to a chat: they choose it on kith's own page, where it becomes a draft. They can
   * save the file and copy the text, too. What they did the app does not learn.
   * @param {{ text?: string, file?: { name: string, blob?: Blob, base64?: string, plainText?: string } }} message
   */
  async function sendToChat({ text = '', file } = {}) {
    if (!file && !text) throw new Error('There is nothing to send: neither a file nor a text.');
    if (typeof text !== 'string') throw new Error('The text of a message is a string.');
    const sent = file && { name: file.name, bytes: bytesOf(file) };
    await alone(async () => {
      /** @type {Parameters<typeof ask>[2]} */
      const choices = [{
        label: 'Choose a chat',
        main: true,
        act: () => { if (!window.open('/.kith/ask', '_blank')) sheet.say('The browser opens no page. Open kith yourself: it asks there, too.', 'bad'); },
      }];
      if (sent) choices.push({ label: 'Save the file', act: () => save(sent.name, sent.bytes) });
      if (text) choices.push({ label: 'Copy the text', act: () => void navigator.clipboard.writeText(text).catch(report) });
      const sheet = ask('Send this to a chat?', [sent ? `${sent.name} (${sizeOf(sent.bytes.size)})` : '', text], choices);
      sheet.say('kith takes it…');
      const closed = new AbortController();
      const ready = () => { sheet.ready(true); sheet.say('You choose the chat on kith’s own page. This app does not learn which.'); };
      /** @type {unknown} */ let refused;
      offer(text, sent, closed.signal, ready).then(sheet.close, (error) => {
        if (closed.signal.aborted) return;
        refused = error;
        sheet.ready(false);
        sheet.say(error instanceof Error ? error.message : String(error), 'bad');
      });
      await sheet.over;
      closed.abort();
      if (refused) throw refused;
    });
  }

  Object.assign(window, {
    webxdc: Object.freeze({
      selfAddr: self?.id ?? '',
      selfName: self?.name ?? '',
      sendUpdateInterval: UPDATE_INTERVAL,
      sendUpdateMaxSize: UPDATE_MAX_SIZE,
      sendUpdate,
      setUpdateListener,
      joinRealtimeChannel,
      importFiles,
      sendToChat,
    }),
  });
})();
