// What another user of this machine tries: node intruder.mjs DATA_DIR PID HTTP REDIRECT_FILE. Prints, as
// JSON, what it got. Run by the owner it gets all of it, which shows that the ways work.
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

import { WebSocket } from 'ws';

const [dataDir = '', pid = '', http = '', redirect = ''] = process.argv.slice(2);
/** @type {string[]} */ const got = [];

/** @param {string} what @param {() => unknown} attempt */
async function attempt(what, attempt) {
  try {
    const result = await attempt();
    if (result !== undefined && result !== false) got.push(what);
  } catch {
    // Refused.
  }
}

/** @param {string} folder @returns {string[]} */
function walk(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (
    entry.isDirectory() ? walk(join(folder, entry.name)) : [join(folder, entry.name)]));
}

/** @param {string} path @param {string} line @returns {Promise<string>} */
function say(path, line) {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(`${line}\n`));
    socket.once('data', (bytes) => { resolve(String(bytes)); socket.destroy(); });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  });
}

/** @param {string} url @param {object} message @returns {Promise<any>} */
function ask(url, message) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/.kith/api`, { origin: url });
    socket.once('open', () => socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, ...message })));
    socket.once('message', (data) => { resolve(JSON.parse(String(data))); socket.close(); });
    socket.once('error', reject);
  });
}

await attempt('list the data directory', () => readdirSync(dataDir));
await attempt('read a file of the data directory', () => {
  const files = walk(dataDir).filter((path) => !path.endsWith('.sock'));
  return files.some((path) => { try { return readFileSync(path).length > 0; } catch { return false; } });
});
await attempt('write into the data directory', () => accessSync(dataDir, constants.W_OK) ?? true);
await attempt('read the file that opens the browser', () => readFileSync(redirect, 'utf8').includes('token'));
await attempt('speak to the command socket', async () => (
  (await say(join(dataDir, 'kith.sock'), '{"jsonrpc":"2.0","id":1,"method":"spaces.list"}')).includes('"result"')));
await attempt('read the node’s memory', () => readFileSync(`/proc/${pid}/maps`).length > 0);
await attempt('see a token in the node’s arguments', () => /token=|session/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8')));
await attempt('call the dashboard’s socket without a token', async () => (
  (await ask(http, { method: 'spaces.list' })).result));
await attempt('guess a token', async () => (
  (await ask(http, { method: 'auth', params: { token: 'A'.repeat(43) } })).result));
await attempt('guess a session', async () => (
  (await ask(http, { method: 'auth', params: { session: 'A'.repeat(43) } })).result));
process.stdout.write(JSON.stringify(got));
process.exit(0);
