// Times, names and texts as people read them, in their own locale.

const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const date = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' });
const near = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });
const list = new Intl.ListFormat(undefined, { type: 'conjunction' });

const UNITS = /** @type {const} */ (['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte']);

/** “1.5 MB”. @param {number} bytes @param {boolean} [perSecond] */
export function sizeOf(bytes, perSecond = false) {
  const step = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(bytes, 1)) / 3)));
  const value = bytes / 1000 ** step;
  return new Intl.NumberFormat(undefined, {
    style: 'unit', unit: `${UNITS[step]}${perSecond ? '-per-second' : ''}`, unitDisplay: step === 0 && !perSecond ? 'long' : 'short',
    maximumFractionDigits: value < 10 && step > 0 ? 1 : 0,
  }).format(value);
}

/** “3 min”. @param {number} ms */
export function lengthOf(ms) {
  const seconds = Math.max(1, Math.round(ms / 1000));
  const [value, unit] = seconds < 60 ? [seconds, 'second'] : seconds < 3_600 ? [Math.round(seconds / 60), 'minute'] : [Math.round(seconds / 3_600), 'hour'];
  return new Intl.NumberFormat(undefined, { style: 'unit', unit: String(unit), unitDisplay: 'short' }).format(Number(value));
}

/** How many colours there are for people: `--hue-1` and on. */
const HUES = 6;
/** Names that are said before the rest is counted. */
const NAMED = 3;

/** @param {number} time */
export const timeOf = (time) => clock.format(time);
/** @param {number} time */
export const momentOf = (time) => full.format(time);

/** A day's number, in the person's time zone. @param {number} time */
export function dayOf(time) {
  const day = new Date(time);
  return Math.floor((time - day.getTimezoneOffset() * 60_000) / 86_400_000);
}

/** @param {number} time @param {number} [now] */
export function dayName(time, now = Date.now()) {
  const ago = dayOf(now) - dayOf(time);
  if (ago === 0 || ago === 1) {
    const word = near.format(-ago, 'day');
    return word.charAt(0).toLocaleUpperCase() + word.slice(1);
  }
  return new Date(time).getFullYear() === new Date(now).getFullYear() ? weekday.format(time) : date.format(time);
}

/** “Ada, Ben and 3 more”. @param {string[]} names */
export function these(names) {
  if (names.length <= NAMED) return list.format(names);
  return list.format([...names.slice(0, NAMED - 1), `${names.length - NAMED + 1} more`]);
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

/** Splits a text into what is an address and what is not. @param {string} text @returns {{ text: string, address: boolean }[]} */
export function addressesIn(text) {
  return text.split(/((?:https?|kith):\/\/[^\s<>"]+)/u).map((part, at) => ({ text: part, address: at % 2 === 1 }))
    .filter((part) => part.text !== '');
}
