// What rows are made of.

/**
 * An element. What a value holds becomes text, never markup.
 * @param {string} tag @param {Record<string, string | number | undefined>} attributes @param {...(Node | string | undefined)} children
 */
export function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) node.setAttribute(name, String(value));
  node.append(...children.filter((child) => child !== undefined));
  return node;
}

/** @param {string} name */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  svg.setAttribute('aria-hidden', 'true');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

/** @param {string} label @param {string | undefined} picture @param {() => void} act */
export function button(label, picture, act) {
  const node = el('button', picture ? { type: 'button', class: 'plain icon', 'aria-label': label, title: label } : { type: 'button', class: 'plain' },
    picture ? icon(picture) : label);
  node.addEventListener('click', act);
  return node;
}
