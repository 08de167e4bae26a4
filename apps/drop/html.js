// preact and htm, as one thing to import.
import htm from './vendor/htm.js';
import { Fragment, h, render } from './vendor/preact.js';

/** @typedef {import('./vendor/preact.d.ts').Child} Child */

export { Fragment, render };
export { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from './vendor/hooks.js';
export const html = htm.bind(h);
