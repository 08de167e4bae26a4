// The gateway under attack: a gateway with a node in memory behind it (crates/kith-gateway's example
// `gateway_fixture`), so that attacks on the pages' policy need no network and no second node.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

import { within } from '../lib/within.mjs';

const ROOT = resolve(import.meta.dirname, '../../..');
/** How long the gateway may take for one answer, in ms. */
const PATIENCE = 60_000;
/** The folder of a space's files, hostile to the last. */
export const APP = join(import.meta.dirname, 'app');

/** The program: beside the binary that `cargo xtask test` names, else where cargo puts it. */
function program() {
  const name = process.platform === 'win32' ? 'gateway_fixture.exe' : 'gateway_fixture';
  const folder = process.env.KITH_BIN ? dirname(process.env.KITH_BIN) : join(ROOT, 'target', 'debug');
  const path = join(folder, 'examples', name);
  if (!existsSync(path)) throw new Error(`${path} is not there. Run: cargo build -p kith-gateway --example gateway_fixture`);
  return path;
}

/**
 * Starts a gateway with the spaces of these labels, all with the hostile app.
 * @param {string[]} labels @param {{ later?: string[], embedded?: boolean }} [options] `later`: their app is
 *   not here yet. `embedded`: kith's own dashboard and loading page, rather than the fixture's.
 */
export async function startGateway(labels, { later = [], embedded = false } = {}) {
  const spaces = [...(embedded ? ['--embedded'] : []), ...labels.map((label) => `${label}=${APP}`), '--later', ...later.map((label) => `${label}=${APP}`)];
  const child = spawn(program(), spaces, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise((done) => { child.once('exit', done); });
  const read = async () => JSON.parse((await within(PATIENCE, 'an answer of the gateway', lines.next())).value);
  const { port } = await read();
  let turn = Promise.resolve();
  /** @param {string} line @returns {Promise<string>} */
  const ask = (line) => {
    const answer = turn.then(async () => {
      child.stdin.write(`${line}\n`);
      return (await read()).answer;
    });
    turn = answer.then(() => {}, () => {});
    return answer;
  };
  const origin = (label = '') => (label ? `http://${label}.localhost:${port}` : `http://localhost:${port}`);
  return {
    port,
    origin,
    /** A token that works once. */
    token: (label = '') => ask(`token ${label}`),
    /** What a cookie or the dashboard's sessionStorage holds. */
    session: (label = '') => ask(`session ${label}`),
    arrive: (/** @type {string} */ label) => ask(`arrive ${label}`),
    remove: (/** @type {string} */ label) => ask(`remove ${label}`),
    /** A URL that opens a space's page. */
    url: async (/** @type {string} */ label, path = '/') => `${origin(label)}${path}?kith-token=${await ask(`token ${label}`)}`,
    async stop() {
      child.stdin.end();
      await within(PATIENCE, 'the end of the gateway', ended);
    },
  };
}
