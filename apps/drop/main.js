// The files of a space, each as a download.
import { space } from '/.kith/kith.js';

const list = /** @type {HTMLElement} */ (document.getElementById('files'));
for await (const entry of space.watch()) {
  for (const { url, name, size, folder } of entry.attachments ?? []) {
    const item = document.createElement('li');
    const link = Object.assign(document.createElement('a'), { href: `${url}?download`, textContent: name });
    item.append(folder ? name : link, ` ${size} B`);
    list.append(item);
  }
}
