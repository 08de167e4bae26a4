// Makes up a page without a policy, and tells it all.
self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url);
  const target = url.searchParams.get('made-up');
  if (target) {
    event.respondWith(new Response(`<!doctype html><title>made up</title><img src="${target}/made-up">`, { headers: { 'content-type': 'text/html' } }));
  }
});
