// What kith does, and what it costs: traffic by app over time, who is being tried, and what was refused.
import { html } from './html.js';
import { SAMPLES } from './node.js';
import { AppIcon, useNode, useTitle, Wait } from './parts.js';
import { Attempts } from './spaces.js';
import { count, number, size, speed, wayName, who } from './words.js';

/** @import * as api from '../sdk/kith-api.d.ts' */
/** @import { Sample } from './node.js' */

/** Seconds over which a speed is averaged. */
const OVER = 3;
/** Samples in one bar of a chart. */
const BAR = 5;
/** Rows of apps: the busiest. */
const APPS = 50;
/** Spaces of which the tries are shown. */
const TRYING = 20;

export function Activity() {
  const { status, spaces, peers, samples } = useNode('spaces', 'peers');
  useTitle('Activity');
  if (!status) return html`<h1>Activity</h1><${Wait}>Asking kith what it does…</${Wait}>`;
  const apps = [...status.apps].sort((a, b) => all(b.traffic) - all(a.traffic)).slice(0, APPS);
  const trying = (spaces ?? []).filter((space) => space.trying.length > 0);
  const nameOf = (/** @type {string} */ peer) => who(peers?.find((one) => one.id === peer)?.name ?? '', peer);
  const refused = Object.entries(status.refused);
  return html`<h1>Activity</h1>
    <section class="card"><h2>Traffic</h2>
      <${Traffic} samples=${samples} total=${status.traffic} />
      <ul class="apps">${apps.map((app) => html`<${AppTraffic} key=${app.app} app=${app} samples=${samples} />`)}</ul>
      ${status.apps.length > APPS && html`<p class="hint">The ${APPS} busiest of ${count(status.apps.length, 'app', 'apps')}.</p>`}
    </section>
    <section class="card"><h2>Being tried now</h2>
      ${trying.length === 0 ? html`<p class="hint">Nobody: everyone who can be reached is connected.</p>`
        : trying.slice(0, TRYING).map((space) => html`<h3 key=${space.space} dir="auto">${space.name}</h3><${Attempts} tried=${space.trying} nameOf=${nameOf} />`)}
      ${trying.length > TRYING && html`<p class="hint">And for ${count(trying.length - TRYING, 'more space', 'more spaces')}.</p>`}
    </section>
    <section class="card"><h2>How people are found</h2>
      <table><thead><tr><th scope="col">Way</th><th scope="col">Found</th><th scope="col">Now</th></tr></thead>
        <tbody>${status.discovery.map(({ way, on, found, state }) => html`<tr key=${way} class=${on ? '' : 'off'}><th scope="row">${wayName(way)}</th><td>${number(found)}</td><td>${on ? '' : 'Off. '}${state}</td></tr>`)}</tbody></table>
    </section>
    <section class="card"><h2>Refused by limits</h2>
      ${refused.length === 0 ? html`<p class="hint">Nothing since kith was started.</p>`
        : html`<dl class="facts">${refused.map(([limit, times]) => html`<div key=${limit}><dt>${limit}</dt><dd>${count(times, 'time', 'times')}</dd></div>`)}</dl>`}
    </section>`;
}

/** @param {api.Traffic} traffic */
const all = ({ sent, received }) => sent + received;

/** @param {Sample[]} samples @param {(sample: Sample) => number} of */
const rate = (samples, of) => samples.slice(-OVER).reduce((sum, sample) => sum + of(sample), 0) / OVER;

/** @param {'sent' | 'received'} way */
const every = (way) => (/** @type {Sample} */ sample) => [...sample.values()].reduce((sum, one) => sum + one[way], 0);

/** Sums of `BAR` samples each, the newest last, from the first one that there can be. @param {Sample[]} samples @param {(sample: Sample) => number} of */
function bars(samples, of) {
  const sums = Array.from({ length: SAMPLES / BAR }, () => 0);
  samples.forEach((sample, at) => {
    const bar = Math.floor((SAMPLES - samples.length + at) / BAR);
    sums[bar] = (sums[bar] ?? 0) + of(sample) / BAR;
  });
  return sums;
}

/** Received above, sent below one line; five minutes from left to right. @param {{ up: number[], down: number[], height: number, top: number }} props */
const Chart = ({ up, down, height, top }) => {
  const half = height / 2;
  const shape = (/** @type {number[]} */ values, /** @type {1 | -1} */ sign) => values.map((value, at) => {
    const tall = (value / top) * (half - 1);
    return tall < 0.3 ? '' : `M${at + 0.1} ${half}v${-sign * tall}h.8v${sign * tall}z`;
  }).join('');
  return html`<svg class="chart" viewBox=${`0 0 ${SAMPLES / BAR} ${height}`} preserveAspectRatio="none" aria-hidden="true">
    <path class="down" d=${shape(down, 1)} /><path class="up" d=${shape(up, -1)} /><path class="axis" d=${`M0 ${half}h${SAMPLES / BAR}`} /></svg>`;
};

/** @param {{ samples: Sample[], total: api.Traffic }} props */
function Traffic({ samples, total }) {
  const down = bars(samples, every('received'));
  const up = bars(samples, every('sent'));
  const most = Math.max(...down, ...up);
  const top = Math.max(1_000, most);
  return html`<div class="traffic">
    <dl class="facts">
      <div class="down"><dt>Receiving</dt><dd>${speed(rate(samples, every('received')))}</dd><dd class="sub">${size(total.received)} since the start</dd></div>
      <div class="up"><dt>Sending</dt><dd>${speed(rate(samples, every('sent')))}</dd><dd class="sub">${size(total.sent)} since the start</dd></div>
    </dl>
    <figure><${Chart} up=${up} down=${down} height=${96} top=${top} />
      <figcaption><span>5 minutes ago</span><span>${most > 0 ? `Highest: ${speed(most)}` : ''}</span><span>now</span></figcaption></figure>
  </div>`;
}

/** @param {{ app: api.AppInfo, samples: Sample[] }} props */
function AppTraffic({ app, samples }) {
  const of = (/** @type {'sent' | 'received'} */ way) => (/** @type {Sample} */ sample) => sample.get(app.app)?.[way] ?? 0;
  const down = bars(samples, of('received'));
  const up = bars(samples, of('sent'));
  return html`<li><${AppIcon} app=${app} />
    <div class="grow"><strong dir="auto">${app.name}</strong><span class="sub">${size(app.traffic.received)} received, ${size(app.traffic.sent)} sent, ${size(app.disk)} on disk</span></div>
    <${Chart} up=${up} down=${down} height=${32} top=${Math.max(1_000, ...down, ...up)} />
    <span class="rate">${speed(rate(samples, (sample) => of('sent')(sample) + of('received')(sample)))}</span></li>`;
}
