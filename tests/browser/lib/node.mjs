// Starts, kills and asks real kith nodes. Every node is `--offline`, on loopback, in a folder of its own.
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

import { within } from './within.mjs';

const ROOT = resolve(import.meta.dirname, '../../..');
/** How long a node may take to start, to answer or to end, in ms: a hundred times what it takes. */
const PATIENCE = 60_000;
/** The binary under test; `cargo xtask test` builds it and names it here. */
export const KITH = process.env.KITH_BIN ?? join(ROOT, 'target/debug/kith');

/** A loopback TCP port that is free now. */
export function freePort() {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      server.close(() => done(port));
    });
  });
}

export class KithNode {
  /** @param {string} name @param {string} dir @param {number} port @param {number} udp @param {string[]} args */
  constructor(name, dir, port, udp, args) {
    this.name = name;
    this.dir = dir;
    this.port = port;
    this.udp = udp;
    this.args = args;
    /** @type {import('node:child_process').ChildProcess | undefined} */
    this.child = undefined;
    /** @type {{ http: string, node_id: string, addr: string } | undefined} */
    this.ready = undefined;
    this.log = '';
  }

  /** A node with a fresh data directory. @param {string} name @param {string[]} [args] */
  static async create(name, args = []) {
    const dir = mkdtempSync(join(tmpdir(), `kith-test-${name}-`));
    return new KithNode(name, dir, await freePort(), await freePort(), args);
  }

  /** Starts the process and waits until it says that it is ready. */
  async start() {
    const args = ['up', '--offline', '--no-open', '--json', '--data-dir', this.dir,
      '--http', `127.0.0.1:${this.port}`, ...this.args];
    // On loopback alone: nothing is shown to whatever LAN the machine is in.
    const env = { ...process.env, KITH_LAN: '0', KITH_BIND: '127.0.0.1:' + this.udp };
    const child = spawn(KITH, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    child.stderr.on('data', (data) => { this.log = (this.log + data).slice(-20_000); });
    const lines = createInterface({ input: child.stdout });
    this.ready = await within(PATIENCE, `the start of ${this.name}`, new Promise((done, fail) => {
      lines.once('line', (line) => done(JSON.parse(line)));
      child.once('exit', (code) => fail(new Error(`${this.name} ended with ${code}:\n${this.log}`)));
    }));
    return this;
  }

  /** Kills it with SIGKILL, in the middle of whatever it does. */
  async kill() {
    const child = this.child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await within(PATIENCE, `the end of ${this.name}`, gone);
  }

  /** Ends it and removes its folder. */
  async remove() {
    await this.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Calls a method as the owner, by the command line's socket. @param {string} method @param {object} [params] @returns {Promise<any>} */
  ask(method, params = {}) {
    return new Promise((done, fail) => {
      const socket = connect(join(this.dir, 'kith.sock'));
      socket.setTimeout(PATIENCE, () => socket.destroy(new Error(`${method}: no answer`)));
      createInterface({ input: socket }).once('line', (line) => {
        socket.end();
        const { result, error } = JSON.parse(line);
        if (error) fail(new Error(`${method}: ${error.message}`));
        else done(result);
      });
      socket.once('error', fail);
      // After an answer this comes too late to matter.
      socket.once('close', () => fail(new Error(`${method}: ${this.name} hung up`)));
      socket.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })}\n`);
    });
  }

  /** Runs a command against this node and returns its JSON lines. @param {...string} args */
  async cli(...args) {
    const { stdout } = await run(KITH, [...args, '--json', '--data-dir', this.dir]);
    return stdout.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }
}

/** @param {string} file @param {string[]} args @returns {Promise<{ stdout: string, stderr: string }>} */
function run(file, args) {
  return new Promise((done, fail) => {
    execFile(file, args, { maxBuffer: 64 << 20, timeout: PATIENCE }, (error, stdout, stderr) => {
      if (error) fail(new Error(`kith ${args.join(' ')}: ${error.message}\n${stderr}`));
      else done({ stdout, stderr });
    });
  });
}
