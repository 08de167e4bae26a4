// What a hostile page tries on this machine's kith: `victim` is the origin of the dashboard or of
// somebody else's space. Each resolves to what it got, and throws or never ends where it got nothing.
const refused = () => { throw new Error('refused'); };
const loaded = (element) => new Promise((done, fail) => { element.onload = () => done('loaded'); element.onerror = () => fail(new Error('refused')); });
const shown = (element) => { document.body.append(element); return element; };
const make = (name, attributes) => Object.assign(document.createElement(name), attributes);

window.reaches = {
  'fetch': async (victim) => `read ${(await fetch(`${victim}/`)).status}`,
  'fetch-no-cors': async (victim) => `answered ${(await fetch(`${victim}/`, { mode: 'no-cors' })).type}`,
  'fetch-with-cookies': async (victim) => `answered ${(await fetch(`${victim}/`, { mode: 'no-cors', credentials: 'include' })).type}`,
  'fetch-post': async (victim) => `answered ${(await fetch(`${victim}/.kith/api`, { method: 'POST', mode: 'no-cors', body: '{}' })).type}`,
  'preflight': async (victim) => `answered ${(await fetch(`${victim}/`, { method: 'DELETE', headers: { 'x-own': '1' } })).status}`,
  'xhr': (victim) => new Promise((done, fail) => {
    const xhr = new XMLHttpRequest();
    xhr.onload = () => done('read');
    xhr.onerror = fail;
    xhr.open('GET', `${victim}/`);
    xhr.send();
  }),
  'socket': (victim) => new Promise((done, fail) => {
    const socket = new WebSocket(`${victim.replace('http', 'ws')}/.kith/api`);
    socket.onopen = () => done('open');
    socket.onerror = () => fail(new Error('refused'));
  }),
  'event-source': (victim) => new Promise((done, fail) => {
    const source = new EventSource(`${victim}/`);
    source.onopen = () => done('open');
    source.onerror = fail;
  }),
  'image': (victim) => loaded(shown(make('img', { src: `${victim}/picture.svg` }))),
  'script': (victim) => loaded(shown(make('script', { src: `${victim}/module.js` }))),
  'module': async (victim) => `ran ${Object.keys(await import(`${victim}/module.js`)).length}`,
  'style-sheet': (victim) => loaded(shown(make('link', { rel: 'stylesheet', href: `${victim}/style.css` }))),
  // Whether a frame shows it, the test sees from outside.
  'frame': (victim) => { shown(make('iframe', { src: `${victim}/` })); },
  'frame-of-frame': (victim) => { shown(make('iframe', { srcdoc: `<iframe src="${victim}/"></iframe>` })); },
  'object': (victim) => { shown(make('object', { data: `${victim}/`, type: 'text/html' })); },
  // A window that one keeps a hold of can be led about, counted, and written to.
  'window': async (victim) => {
    const opened = window.open(`${victim}/`);
    for (let waited = 0; waited < 3_000 && !opened.closed; waited += 50) await new Promise((done) => { setTimeout(done, 50); });
    return opened.closed ? refused() : `holds it, with ${opened.length} frames`;
  },
};
