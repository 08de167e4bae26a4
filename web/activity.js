// What kith does, and what it costs: traffic by app over time, who is being tried, and what was refused.
import { Disk } from './apps.js';
import { html } from './html.js';
import { SPAN } from './node.js';
import { AppIcon, useNode, useTitle, Wait } from './parts.js';
import { Attempts } from './spaces.js';
import { count, limitName, number, size, speed, wayName, who } from './words.js';

/** @import * as api from '../sdk/kith-api.d.ts' */
/** @import { Sample } from './node.js' */

/** The time over which a speed is averaged, in ms. */
const OVER = 3_000;
/** The time of one bar of a chart, in ms. */
const BAR = 5_000;
const BARS = SPAN / BAR;
/** A chart is at least so high, in bytes per second: a trickle looks like one. */
const LEAST_TOP = 1_000;
/** Rows of apps: the busiest. */
const APPS = 50;
/** Spaces of which the tries are shown. */
const TRYING = 20;

export function Activity() {
  const { status, spaces, peers, samples } = useNode('spaces', 'peers');
  useTitle('Activity');
  if (!status) return html`<h1>Activity</h1><${Wait}>Asking kith what it does…</${Wait}>`;
  const apps = [...status.apps].sort((a, b) => all(b.traffic) - all(a.traffic)).slice(0, APPS);
  const top = highest(samples);
  const trying = (spaces ?? []).filter((space) => space.trying.length > 0);
  const nameOf = (/** @type {string} */ peer) => who(peers?.find((one) => one.id === peer)?.name ?? '', peer);
  const refused = Object.entries(status.refused);
  return html`<h1>Activity</h1>
    <section class="card"><h2>Traffic</h2>
      <${Traffic} samples=${samples} top=${top} total=${status.traffic} />
      <ul class="apps">${apps.map((app) => html`<${AppTraffic} key=${app.app} app=${app} samples=${samples} top=${top} />`)}</ul>
      ${status.apps.length > APPS && html`<p class="hint">The ${APPS} busiest of ${count(status.apps.length, 'app', 'apps')}.</p>`}
    </section>
    <${Disk} apps=${status.apps} />
    <section class="card"><h2>Being tried now</h2>
      ${trying.length === 0 ? html`<p class="hint">Nobody: everyone who can be reached is connected.</p>`
        : trying.slice(0, TRYING).map((space) => html`<h3 key=${space.space} dir="auto">${space.name}</h3><${Attempts} tried=${space.trying} nameOf=${nameOf} />`)}
      ${trying.length > TRYING && html`<p class="hint">And for ${count(trying.length - TRYING, 'more space', 'more spaces')}.</p>`}
    </section>
    <section class="card"><h2>How people are found</h2>
      <table><thead><tr><th scope="col">Way</th><th scope="col">Found</th><th scope="col">Now</th></tr></thead>
        <tbody>${status.discovery.map(({ way, on, found, state }) => html`<tr key=${way} class=${on ? '' : 'off'}><th scope="row">${wayName(way)}</th><td>${number(found)}</td><td>${state}</td></tr>`)}</tbody></table>
    </section>
    <section class="card"><h2>Refused</h2>
      ${refused.length === 0 ? html`<p class="hint">Nothing since kith was started.</p>`
        : html`<p class="hint">What was too much, or made no sense, and so was not taken.</p>
          <dl class="facts">${refused.map(([limit, times]) => html`<div key=${limit}><dt>${limitName(limit)}</dt><dd>${count(times, 'time', 'times')}</dd></div>`)}</dl>`}
    </section>`;
}

/** @param {api.Traffic} traffic */
const all = ({ sent, received }) => sent + received;

/** Bytes of a sample. @typedef {(sample: Sample) => number} Of */

/** Bytes per second, over the last moments. @param {Sample[]} samples @param {Of} of */
function rate(samples, of) {
  const recent = samples.filter(({ at }) => Date.now() - at < OVER);
  const time = recent.reduce((sum, { over }) => sum + over, 0);
  return time === 0 ? 0 : (recent.reduce((sum, sample) => sum + of(sample), 0) * 1_000) / time;
}

/** @param {'sent' | 'received'} way @returns {Of} */
const every = (way) => ({ apps }) => [...apps.values()].reduce((sum, one) => sum + one[way], 0);

/** Bytes per second in each of the last stretches of time, the present one last. @param {Sample[]} samples @param {Of} of */
function bars(samples, of) {
  const sums = Array.from({ length: BARS }, () => 0);
  // Stretches begin where the clock says, so that what is drawn moves on and does not change.
  const now = Date.now();
  const first = Math.floor(now / BAR) - BARS + 1;
  for (const sample of samples) {
    const bar = Math.floor(sample.at / BAR) - first;
    // Of the present one only a part has passed.
    const time = bar === BARS - 1 ? Math.max(1_000, now % BAR) : BAR;
    if (bar >= 0 && bar < BARS) sums[bar] = (sums[bar] ?? 0) + (of(sample) * 1_000) / time;
  }
  return sums;
}

/** Received above, sent below one line; five minutes from left to right. @param {{ up: number[], down: number[], height: number, top: number }} props */
const Chart = ({ up, down, height, top }) => {
  const half = height / 2;
  const shape = (/** @type {number[]} */ values, /** @type {1 | -1} */ sign) => values.map((value, at) => {
    const tall = (value / top) * (half - 1);
    return tall < 0.3 ? '' : `M${at + 0.1} ${half}v${-sign * tall}h.8v${sign * tall}z`;
  }).join('');
  return html`<svg class="chart" viewBox=${`0 0 ${BARS} ${height}`} preserveAspectRatio="none" aria-hidden="true">
    <path class="down" d=${shape(down, 1)} /><path class="up" d=${shape(up, -1)} /><path class="axis" d=${`M0 ${half}h${BARS}`} /></svg>`;
};

/** The top of every chart: one scale, so that apps can be compared. @param {Sample[]} samples */
const highest = (samples) => Math.max(LEAST_TOP, ...bars(samples, every('received')), ...bars(samples, every('sent')));

/** @param {{ samples: Sample[], top: number, total: api.Traffic }} props */
function Traffic({ samples, top, total }) {
  const down = bars(samples, every('received'));
  const up = bars(samples, every('sent'));
  const most = Math.max(...down, ...up);
  return html`<div class="traffic">
    <dl class="facts">
      <div class="down"><dt>Receiving</dt><dd>${speed(rate(samples, every('received')))}</dd><dd class="sub">${size(total.received)} since the start</dd></div>
      <div class="up"><dt>Sending</dt><dd>${speed(rate(samples, every('sent')))}</dd><dd class="sub">${size(total.sent)} since the start</dd></div>
    </dl>
    <figure><${Chart} up=${up} down=${down} height=${96} top=${top} />
      <figcaption><span>5 minutes ago</span><span>${most > 0 ? `Highest: ${speed(most)}` : 'Nothing flowed'}</span><span>now</span></figcaption></figure>
  </div>`;
}

/** @param {{ app: api.AppInfo, samples: Sample[], top: number }} props */
function AppTraffic({ app, samples, top }) {
  const of = (/** @type {'sent' | 'received'} */ way) => (/** @type {Sample} */ { apps }) => apps.get(app.app)?.[way] ?? 0;
  const down = bars(samples, of('received'));
  const up = bars(samples, of('sent'));
  return html`<li><${AppIcon} app=${app} />
    <div class="grow"><strong dir="auto">${app.name}</strong><span class="sub">${size(app.traffic.received)} received, ${size(app.traffic.sent)} sent</span></div>
    <${Chart} up=${up} down=${down} height=${32} top=${top} />
    <span class="rate">${speed(rate(samples, (sample) => of('sent')(sample) + of('received')(sample)))}</span></li>`;
}
