// A plain web server: the same files, and none of the gateway's headers and checks. What an attack
// does here, or to it, shows that it works where nothing stops it.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, normalize } from 'node:path';

import { WebSocketServer } from 'ws';

const TYPES = /** @type {Record<string, string>} */ ({ html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css', svg: 'image/svg+xml' });

/** @param {string} folder @param {{ port?: number, address?: string }} [options] */
export async function servePlain(folder, { port = 0, address = '127.0.0.1' } = {}) {
  const server = createServer({ maxHeaderSize: 64 * 1024 }, async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://plain').pathname));
    const file = path.endsWith('/') ? `${path}index.html` : path;
    const bytes = await readFile(join(folder, file)).catch(() => undefined);
    const type = bytes ? TYPES[file.split('.').at(-1) ?? ''] ?? 'application/octet-stream' : 'text/html';
    // As careless as a server can be: whoever asks may read, whatever they send.
    const access = { 'access-control-allow-origin': '*', 'access-control-allow-headers': '*', 'access-control-allow-methods': '*' };
    const isStream = request.headers.accept === 'text/event-stream';
    response.writeHead(bytes ? 200 : 404, { ...access, 'content-type': isStream ? 'text/event-stream' : type });
    response.end(bytes ?? '<!doctype html><title>missing</title>');
  });
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, () => {});
  });
  await new Promise((done) => { server.listen(port, address, () => done(undefined)); });
  const bound = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    port: bound.port,
    origin: (host = 'control.localhost') => `http://${host}:${bound.port}`,
    /** Ends what connections there are. */
    endConnections: () => server.closeAllConnections(),
    async stop() {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise((done) => { server.close(done); });
    },
  };
}
