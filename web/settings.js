// What the person sets, and what this node is.
import { PublishingKeys } from './apps.js';
import { html, useState } from './html.js';
import { fault, node } from './node.js';
import { Act, Copy, Dialog, Fault, Field, useNode, useTitle, Wait } from './parts.js';
import { fingerprint, lasting } from './words.js';

/** @typedef {import('/.kith/kith.js').KithError} KithError */

export function Settings() {
  const { settings, status, keys } = useNode('settings', 'keys');
  const [stopping, setStopping] = useState(false);
  useTitle('Settings');
  if (!settings || !status) return html`<h1>Settings</h1><${Wait}>Asking kith for the settings…</${Wait}>`;
  return html`<h1>Settings</h1>
    <section class="card"><h2>You</h2>
      <${Field} label="Your name" value=${settings.name} done="Saved. Spaces that you join from now on begin with it." hint="Spaces that you join begin with this name. Each can have another one."
        save=${async (/** @type {string} */ name) => { node.settings = await node.connection.call('settings.set', { name }); node.changed(); }} />
    </section>
    <section class="card"><h2>Local network</h2><${Lan} on=${settings.lan} now=${status.discovery.find(({ way }) => way === 'lan')?.on} /></section>
    <section class="card"><h2>Updates</h2><${Updates} on=${settings.auto_update} /></section>
    ${keys && html`<section class="card"><h2>Your publishing keys</h2><${PublishingKeys} keys=${keys} apps=${status.apps} /></section>`}
    <section class="card"><h2>This kith</h2>
      <dl class="facts list">
        <div><dt>Version</dt><dd>${status.version}</dd></div>
        <div><dt>Running for</dt><dd>${lasting(status.uptime)}</dd></div>
        <div><dt>Identity</dt><dd><code>${fingerprint(status.node_id)}</code><${Copy} text=${status.node_id} what="the identity" /></dd></div>
        <div><dt>Address</dt><dd class="line"><code class="cut">${status.addr}</code><${Copy} text=${status.addr} what="the address" /></dd></div>
        <div><dt>Data</dt><dd><code>${status.data_dir}</code></dd></div>
        ${status.offline && html`<div><dt>Offline</dt><dd>Started with --offline: nothing leaves this computer and its local network.</dd></div>`}
      </dl>
      <p class="hint">People you share a space with see this identity and your internet address. Another kith connects to the address with “kith up --peer ADDRESS”.</p>
      <div class="row"><button type="button" class="bad" onClick=${() => setStopping(true)}>Stop kith</button></div>
    </section>
    <section class="card"><h2>About</h2>
      <p>kith is free software under the MIT or the Apache 2.0 licence, as you like. It sends nothing to its makers. This page uses Preact, HTM and Lucide’s icons.</p>
    </section>
    ${stopping && html`<${Stop} close=${() => setStopping(false)} />`}`;
}

/** @param {{ on: boolean }} props */
function Updates({ on }) {
  const [error, setError] = useState(/** @type {KithError | undefined} */ (undefined));
  const set = async (/** @type {Event} */ event) => {
    const wanted = /** @type {HTMLInputElement} */ (event.target).checked;
    setError(undefined);
    try {
      node.settings = await node.connection.call('settings.set', { auto_update: wanted });
    } catch (thrown) {
      setError(fault(thrown));
    }
    node.changed();
  };
  return html`<label class="switch"><input type="checkbox" role="switch" checked=${on} onChange=${set} />
    <span><strong>Update apps by themselves when they ask for nothing new</strong><span>Newer versions come from the people in your spaces, signed by who made the app. One that asks for more always waits for your word.</span></span></label>
    ${error && html`<${Fault} error=${error} />`}`;
}

/** The setting, and how it is now: kith's configuration may say otherwise. @param {{ on: boolean, now: boolean | undefined }} props */
function Lan({ on, now }) {
  const [error, setError] = useState(/** @type {KithError | undefined} */ (undefined));
  const set = async (/** @type {Event} */ event) => {
    const lan = /** @type {HTMLInputElement} */ (event.target).checked;
    setError(undefined);
    try {
      node.settings = await node.connection.call('settings.set', { lan });
    } catch (thrown) {
      setError(fault(thrown));
    }
    node.changed();
  };
  return html`<label class="switch"><input type="checkbox" role="switch" checked=${on} onChange=${set} />
    <span><strong>Find people on the local network</strong><span>Others on this network see that somebody here uses kith, under an id that changes with each network. Works without internet.</span></span></label>
    ${now !== undefined && now !== on && html`<p class="hint">kith was started with this switched ${now ? 'on' : 'off'} by its configuration (lan, or KITH_LAN), which holds until it is started without.</p>`}
    ${error && html`<${Fault} error=${error} />`}`;
}

/** @param {{ close: () => void }} props */
const Stop = ({ close }) => html`<${Dialog} title="Stop kith?" close=${close}>
  <p>Your apps’ pages stop working, and nothing is sent or received until kith is started again. Nothing is lost.</p>
  <div class="row end"><button type="button" onClick=${close} autofocus>Go on</button><${Act} class="bad" act=${async () => {
    node.stopped = true;
    try {
      await node.connection.call('node.stop');
    } catch (error) {
      // It went away before it answered: that is what was asked for.
      if (fault(error).code !== 'disconnected') {
        node.stopped = false;
        throw error;
      }
    }
    close();
  }}>Stop kith</${Act}></div>
</${Dialog}>`;
