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

  /** How long what is handed out stays readable for the browser, in ms. */
  const REVOKED_AFTER = 60_000;

  /** The listener's end. @type {AbortController | undefined} */
  let listening;
  /** @type {{ leave(): void } | undefined} */
  let channel;
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

  /**
   * Lets the person choose files. None, where they choose none.
   * @param {{ extensions?: string[], mimeTypes?: string[], multiple?: boolean }} [filter]
   * @returns {Promise<File[]>}
   */
  function importFiles({ extensions = [], mimeTypes = [], multiple = false } = {}) {
    const input = Object.assign(document.createElement('input'), { type: 'file', multiple, accept: [...extensions, ...mimeTypes].join(',') });
    return new Promise((resolve) => {
      input.onchange = () => resolve([...input.files ?? []]);
      input.oncancel = () => resolve([]);
      input.click();
    });
  }

  /**
   * Hands something out. kith has no chats outside of apps: a file is offered as a download, a text without a
   * file is put on the clipboard, for the person to take where they like.
   * @param {{ text?: string, file?: { name: string, blob?: Blob, base64?: string, plainText?: string } }} message
   */
  async function sendToChat({ text, file } = {}) {
    if (!file && !text) throw new Error('There is nothing to send: neither a file nor a text.');
    if (!file) return navigator.clipboard.writeText(text ?? '');
    const { name, blob, base64, plainText } = file;
    if (!name) throw new Error('The file has no name.');
    if ([blob, base64, plainText].filter((content) => content !== undefined).length !== 1) throw new Error('A file has exactly one of blob, base64 and plainText.');
    const bytes = blob ?? new Blob([plainText ?? Uint8Array.from(atob(base64 ?? ''), (c) => c.charCodeAt(0))]);
    const href = URL.createObjectURL(bytes);
    Object.assign(document.createElement('a'), { href, download: name }).click();
    // The download reads it after the click.
    setTimeout(() => URL.revokeObjectURL(href), REVOKED_AFTER);
    return undefined;
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
