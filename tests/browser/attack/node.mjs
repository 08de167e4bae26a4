// A real node under attack: the hostile app is published and opened in it, as an app that a person was
// sent would be.
import { KithNode } from '../lib/node.mjs';
import { APP } from './gateway.mjs';

/**
 * Starts a node with so many spaces of the hostile app.
 * @param {number} count
 */
export async function startNode(count) {
  const node = await KithNode.create('attacked');
  await node.start();
  const [{ link }] = await node.cli('publish', APP, '--key', 'hostile');
  /** @type {{ space: string, origin: string }[]} */ const spaces = [];
  for (let made = 0; made < count; made += 1) {
    const [{ url, space }] = await node.cli('open', link, '--new-space', '--yes');
    spaces.push({ space, origin: new URL(url).origin });
  }
  return {
    port: node.port,
    /** The dashboard's origin. */
    dashboard: `http://localhost:${node.port}`,
    /** The spaces' origins. */
    origins: spaces.map(({ origin }) => origin),
    /** A URL that opens a space's page. @param {number} index @returns {Promise<string>} */
    url: async (index) => (await node.ask('page.url', { space: spaces[index]?.space })).url,
    stop: () => node.remove(),
  };
}
