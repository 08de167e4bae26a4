// Sizes, speeds, times and keys as people read them, in their own locale.

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'];
const near = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto', style: 'long' });
const list = new Intl.ListFormat(undefined, { type: 'conjunction' });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
/** Names that are said before the rest is counted. */
const NAMED = 3;

/** @type {Map<string, Intl.NumberFormat>} */
const formats = new Map();

/** @param {number} value @param {string} unit @param {number} digits */
function measure(value, unit, digits) {
  const key = `${unit}/${digits}`;
  let format = formats.get(key);
  if (!format) formats.set(key, format = new Intl.NumberFormat(undefined, { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: digits }));
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
  if (step === 0) return long(bytes, 'byte');
  return measure(bytes, UNITS[step] + per, bytes >= 100 ? 0 : 1);
}

/** “1.5 MB”. @param {number} bytes */
export const size = (bytes) => scale(bytes);
/** “12 kB/s”. @param {number} bytes */
export const speed = (bytes) => scale(bytes, '-per-second');
/** @param {number} value */
export const number = (value) => value.toLocaleString();
/** “24 ms”. @param {number} microseconds */
export const roundTrip = (microseconds) => measure(microseconds / 1_000, 'millisecond', microseconds < 10_000 ? 1 : 0);
/** @param {number} time */
export const momentOf = (time) => moment.format(time);

/** “5 minutes ago”. @param {number} time @param {number} now */
export function ago(time, now) {
  const past = Math.max(0, now - time);
  if (past < MINUTE) return 'just now';
  if (past < HOUR) return near.format(-Math.floor(past / MINUTE), 'minute');
  if (past < DAY) return near.format(-Math.floor(past / HOUR), 'hour');
  return near.format(-Math.floor(past / DAY), 'day');
}

/** “3 hours”. @param {number} time in ms */
export function lasting(time) {
  if (time < MINUTE) return long(Math.max(0, Math.round(time / SECOND)), 'second');
  if (time < HOUR) return long(Math.floor(time / MINUTE), 'minute');
  if (time < DAY) return long(Math.floor(time / HOUR), 'hour');
  return long(Math.floor(time / DAY), 'day');
}

/** @param {number} value @param {string} unit */
const long = (value, unit) => new Intl.NumberFormat(undefined, { style: 'unit', unit, unitDisplay: 'long' }).format(value);

/** “Ada, Ben and 3 more”. @param {string[]} names */
export function these(names) {
  if (names.length <= NAMED) return list.format(names);
  return list.format([...names.slice(0, NAMED - 1), `${number(names.length - NAMED + 1)} more`]);
}

/** “1 person”, “3 people”. @param {number} count @param {string} one @param {string} many */
export const count = (count, one, many) => `${number(count)} ${count === 1 ? one : many}`;

/** A key, short enough to compare by eye: its first 16 characters in groups. @param {string} key */
export const fingerprint = (key) => key.slice(0, 16).replace(/(.{4})(?=.)/g, '$1 ');

/** Who it is: the name, or else the beginning of the id. @param {string} name @param {string} id */
export const who = (name, id) => name || `Someone (${id.slice(0, 8)})`;

/** Ways by which peers are found, in words. @type {Record<string, { name: string, by: string }>} */
const WAYS = {
  link: { name: 'Invitations', by: 'an invitation' },
  manual: { name: 'Given by hand', by: 'hand' },
  lan: { name: 'Local network', by: 'the local network' },
  cache: { name: 'Remembered', by: 'memory' },
  exchange: { name: 'People of people', by: 'someone in a shared space' },
  incoming: { name: 'They came', by: 'their own coming' },
};
/** @param {string} way */
export const wayName = (way) => WAYS[way]?.name ?? way;
/** “Found by an invitation and the local network”. @param {string[]} ways */
export const foundBy = (ways) => (ways.length === 0 ? '' : `Found by ${list.format(ways.map((way) => WAYS[way]?.by ?? way))}`);

/** A limit's name, as it stands in the node's counters, in words. @param {string} name */
export const limitName = (name) => name.charAt(0).toUpperCase() + name.slice(1).replaceAll('_', ' ');

/** Splits ms until a moment into “in 12 s”, or “now”. @param {number} time @param {number} now */
export const soon = (time, now) => (time - now < SECOND ? 'now' : `in ${measure(Math.ceil((time - now) / SECOND), 'second', 0)}`);

/** How many colours there are for people: `--hue-1` and on. */
const HUES = 6;
/** Which colour a person has. @param {string} id */
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
