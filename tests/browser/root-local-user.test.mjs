// Another user of this machine tries to read the node's files and to drive it. Needs root, to be somebody
// else: the user id of "nobody".
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { KithNode, freePort } from './lib/node.mjs';

const NOBODY = '65534';
const run = promisify(execFile);

for (const there of [false, true]) {
  const whose = there ? 'in a folder that all may look into' : 'in a folder that kith makes';
  test(`another user of this machine reads nothing and drives nothing, ${whose}`, async () => {
    // Open to all, so that what keeps the other user out is kith's own doing.
    const folder = await mkdtemp(join(tmpdir(), 'kith-user-'));
    await chmod(folder, 0o755);
    const node = new KithNode('owner', join(folder, 'data'), await freePort(), await freePort(), []);
    if (there) await mkdir(node.dir, { mode: 0o755 });
    try {
      await node.start();
      await node.cli('open', 'chat', '--yes');
      const { file } = await node.ask('page.url');
      // The script, where the other user can read it, with what it imports.
      const program = join(folder, 'intruder.mjs');
      await cp(join(import.meta.dirname, 'attack', 'intruder.mjs'), program);
      await cp(join(import.meta.dirname, 'node_modules', 'ws'), join(folder, 'node_modules', 'ws'), { recursive: true });
      const given = [program, node.dir, String(node.child?.pid), `http://localhost:${node.port}`, file];
      const owner = JSON.parse((await run(process.execPath, given)).stdout);
      assert.deepEqual(owner, ['list the data directory', 'read a file of the data directory', 'write into the data directory',
        'read the file that opens the browser', 'speak to the command socket', 'read the node’s memory'], 'the owner can');
      const other = await run('setpriv', [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', process.execPath, ...given]);
      assert.deepEqual(JSON.parse(other.stdout), there ? ['list the data directory'] : []);
    } finally {
      await node.kill();
      await rm(folder, { recursive: true });
    }
  });
}
