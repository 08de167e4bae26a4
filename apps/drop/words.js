// Sizes, speeds, times and names as people read them, in their own locale.

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'];
const list = new Intl.ListFormat(undefined, { type: 'conjunction' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });
const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const near = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });
const date = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long' });
const olderDate = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' });
const inOrder = new Intl.Collator(undefined, { numeric: true });

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** How many colours there are for people: `--hue-1` and on. */
const HUES = 6;
/** Names that are said before the rest is counted. */
const NAMED = 3;

/** @type {Map<string, Intl.NumberFormat>} */
const formats = new Map();

/** @param {number} value @param {string} unit @param {number} [digits] @param {'short' | 'long'} [style] */
function measure(value, unit, digits = 0, style = 'short') {
  const key = `${unit}/${digits}/${style}`;
  let format = formats.get(key);
  if (!format) formats.set(key, format = new Intl.NumberFormat(undefined, { style: 'unit', unit, unitDisplay: style, maximumFractionDigits: digits }));
  return format.format(value);
}

/** @param {number} bytes @param {string} [per] */
function scale(bytes, per = '') {
  // A speed below 1 kB/s is as good as none, and “byte” is no unit of a speed.
  let step = per ? 1 : 0;
  if (per) bytes /= 1_000;
  while (bytes >= 1_000 && step < UNITS.length - 1) {
    bytes /= 1_000;
    step++;
  }
  return measure(bytes, UNITS[step] + per, bytes >= 100 || step === 0 ? 0 : 1, step === 0 ? 'long' : 'short');
}

/** “1.5 MB”. @param {number} bytes */
export const size = (bytes) => scale(bytes);
/** “12 kB/s”. @param {number} bytes */
export const speed = (bytes) => scale(bytes, '-per-second');
/** “45%”. @param {number} part @param {number} whole */
export const percent = (part, whole) => (whole > 0 ? part / whole : 1).toLocaleString(undefined, { style: 'percent' });
/** @param {number} value */
export const number = (value) => value.toLocaleString();
/** “1 file”, “3 files”. @param {number} count @param {string} one @param {string} many */
export const count = (count, one, many) => `${number(count)} ${count === 1 ? one : many}`;
/** @param {number} time */
export const momentOf = (time) => full.format(time);
/** By the person's sense of order: 2 before 10. @param {string} a @param {string} b */
export const compare = (a, b) => inOrder.compare(a, b);

/** “3 min left”. @param {number} time in ms */
export function left(time) {
  if (time < MINUTE) return `${measure(Math.max(1, Math.round(time / SECOND)), 'second')} left`;
  if (time < HOUR) return `${measure(Math.round(time / MINUTE), 'minute')} left`;
  return `${measure(time / HOUR, 'hour', 1)} left`;
}

/** “14:02” today, “yesterday, 14:02”, “3 May, 14:02”. @param {number} time @param {number} [now] */
export function when(time, now = Date.now()) {
  const day = (/** @type {number} */ at) => Math.floor((at - new Date(at).getTimezoneOffset() * MINUTE) / (24 * HOUR));
  const ago = day(now) - day(time);
  if (ago <= 0) return clock.format(time);
  const named = ago === 1 ? near.format(-1, 'day') : (new Date(time).getFullYear() === new Date(now).getFullYear() ? date : olderDate).format(time);
  return `${named}, ${clock.format(time)}`;
}

/** “Ada, Ben and 3 more”. @param {string[]} names */
export function these(names) {
  if (names.length <= NAMED) return list.format(names);
  return list.format([...names.slice(0, NAMED - 1), `${number(names.length - NAMED + 1)} more`]);
}

/** Which colour a person has: the same everywhere. @param {string} id */
export function hueOf(id) {
  let sum = 0;
  for (const char of id) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) % 997;
  return 1 + (sum % HUES);
}

/** One or two letters for a face. @param {string} name */
export function initials(name) {
  const words = name.split(/\s+/).filter(Boolean);
  return [words[0], words.length > 1 ? words.at(-1) : undefined]
    .map((word) => word?.match(/\p{L}|\p{N}|\p{Extended_Pictographic}/u)?.[0] ?? '').join('').toLocaleUpperCase() || '?';
}

/** Characters of a long name's end that stay in view, its ending included. */
const END = 12;

/** A name, and its end, which stays in view where the middle is cut: numbers and endings tell files apart. @param {string} name @returns {[string, string]} */
export function cut(name) {
  const letters = [...name];
  const at = Math.max(0, letters.length - END);
  return at < END / 2 ? [name, ''] : [letters.slice(0, at).join(''), letters.slice(at).join('')];
}

/** Letters that are written from right to left, where they are the first. */
const RIGHT_TO_LEFT = /^[^\p{L}]*[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u;
/** Which way a name runs, whose parts are drawn apart. @param {string} name */
export const way = (name) => (RIGHT_TO_LEFT.test(name) ? 'rtl' : 'ltr');
