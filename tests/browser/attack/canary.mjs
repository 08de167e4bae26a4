// Where stolen data would arrive: a port of its own for each try, by TCP and UDP. Whatever touches
// it counts, a bare connection included.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:http';

const SCRIPT = 'self.stolen = true;';
const PAGE = '<!doctype html><title>canary</title><p>stolen';

/**
 * Opens a canary. Its host names the try, so that a mere look-up of it can be found as well.
 * @param {string} name
 */
export async function openCanary(name) {
  /** @type {string[]} */ const touches = [];
  /** @type {(how: string) => void} */ let tell = () => {};
  /** @type {Promise<string>} */ const touched = new Promise((resolve) => { tell = resolve; });
  const touch = (/** @type {string} */ how) => { touches.push(how); tell(how); };

  const server = createServer((request, response) => {
    touch(`${request.method} ${request.url}`);
    const type = /\.js/.test(request.url ?? '') ? 'text/javascript' : /\.css/.test(request.url ?? '') ? 'text/css' : 'text/html';
    response.writeHead(200, { 'content-type': type, 'access-control-allow-origin': '*', 'access-control-allow-headers': '*' });
    response.end(type === 'text/html' ? PAGE : type === 'text/css' ? '' : SCRIPT);
  });
  /** @type {Set<import('node:net').Socket>} */ const sockets = new Set();
  server.on('connection', (socket) => {
    touch('TCP');
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('clientError', (_, socket) => socket.destroy());
  await new Promise((done) => { server.listen(0, '127.0.0.1', () => done(undefined)); });
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const udp = createSocket('udp4');
  udp.on('message', () => touch('UDP'));
  await new Promise((done) => { udp.bind(port, '127.0.0.1', () => done(undefined)); });

  return {
    port,
    host: `${name}.canary.localhost:${port}`,
    url: `http://${name}.canary.localhost:${port}`,
    touches,
    touched,
    async close() {
      udp.close();
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => { server.close(done); });
    },
  };
}
