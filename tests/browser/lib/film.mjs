// Makes a film of any size, to be played and sought in: WebM (https://www.matroska.org/technical/elements.html)
// with one picture in each cluster, and cues that say where each is.
import { closeSync, openSync, writeSync } from 'node:fs';

/** How long a picture is shown, in ms. */
const SHOWN = 200;
const WIDTH = 1280;
const HEIGHT = 720;

/** Pictures of noise, which can't be made smaller: VP8 key frames, as a browser's WebP has them.
 * @param {import('playwright-core').Page} page @param {number} count */
async function pictures(page, count) {
  const webp = await page.evaluate(async ([width, height, count]) => {
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    const made = [];
    for (let n = 0; n < count; n++) {
      const image = context.createImageData(width, height);
      const words = new Uint32Array(image.data.buffer);
      for (let i = 0; i < words.length; i++) words[i] = 0xff000000 | Math.floor(Math.random() * 0xffffff);
      context.putImageData(image, 0, 0);
      made.push(canvas.toDataURL('image/webp', 0.98).split(',')[1]);
    }
    return made;
  }, [WIDTH, HEIGHT, count]);
  return webp.map((text) => {
    const file = Buffer.from(text, 'base64');
    for (let at = 12; at < file.length;) {
      const size = file.readUInt32LE(at + 4);
      if (file.toString('latin1', at, at + 4) === 'VP8 ') return file.subarray(at + 8, at + 8 + size);
      at += 8 + size + (size & 1);
    }
    throw new Error('The browser made no VP8 picture.');
  });
}

/** An element: id, the size in 8 bytes, data. @param {number} id @param {...Buffer} data */
function element(id, ...data) {
  const body = Buffer.concat(data);
  const head = Buffer.from(id.toString(16), 'hex');
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE((1n << 56n) | BigInt(body.length));
  return Buffer.concat([head, size, body]);
}

/** @param {number} id @param {number | bigint} value */
function number(id, value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return element(id, bytes);
}

/** @param {number} id @param {string} value */
const text = (id, value) => element(id, Buffer.from(value));

/** @param {number} time @param {Buffer} picture */
function cluster(time, picture) {
  // Track 1, no offset to the cluster's time, a key frame.
  return element(0x1f43b675, number(0xe7, time), element(0xa3, Buffer.from([0x81, 0, 0, 0x80]), picture));
}

/** Writes a film of `bytes` bytes or a little more to `path`; its length in seconds.
 * @param {import('playwright-core').Page} page @param {string} path @param {number} bytes */
export async function writeFilm(page, path, bytes) {
  const some = await pictures(page, 4);
  const mean = some.reduce((sum, picture) => sum + picture.length, 0) / some.length;
  const count = Math.ceil(bytes / mean);
  const duration = Buffer.alloc(8);
  duration.writeDoubleBE(count * SHOWN);
  const info = element(0x1549a966, number(0x2ad7b1, 1_000_000), element(0x4489, duration), text(0x4d80, 'kith'), text(0x5741, 'kith'));
  const picture = element(0xe0, number(0xb0, WIDTH), number(0xba, HEIGHT));
  const tracks = element(0x1654ae6b, element(0xae, number(0xd7, 1), number(0x73c5, 1), number(0x83, 1), text(0x86, 'V_VP8'), picture));
  const lengths = Array.from({ length: count }, (_, n) => cluster(n * SHOWN, some[n % some.length]).length);
  /** @param {number} from Where the clusters begin, in the segment. */
  const cues = (from) => {
    let at = from;
    const points = lengths.map((length, n) => {
      const place = element(0xb7, number(0xf7, 1), number(0xf1, at));
      at += length;
      return element(0xbb, number(0xb3, n * SHOWN), place);
    });
    return element(0x1c53bb6b, ...points);
  };
  const front = info.length + tracks.length;
  const index = cues(front + cues(0).length);
  const total = BigInt(front + index.length + lengths.reduce((sum, length) => sum + length, 0));
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE((1n << 56n) | total);
  const head = element(0x1a45dfa3, number(0x4286, 1), number(0x42f7, 1), number(0x42f2, 4), number(0x42f3, 8), text(0x4282, 'webm'), number(0x4287, 4), number(0x4285, 2));
  const file = openSync(path, 'w');
  try {
    writeSync(file, Buffer.concat([head, Buffer.from('18538067', 'hex'), size, info, tracks, index]));
    for (let n = 0; n < count; n++) writeSync(file, cluster(n * SHOWN, some[n % some.length]));
  } finally {
    closeSync(file);
  }
  return count * SHOWN / 1000;
}

/**
 * Plays a film from its beginning, then shows its end.
 * @param {import('playwright-core').Page} page A page whose origin may read it.
 * @param {string} url @param {number} seconds Its length.
 * @returns {Promise<{ play: number, seek: number, duration: number, videoWidth: number, currentTime: number }>}
 * How long it took until it played, and from there until the end was shown, in ms; and what was shown.
 */
export function playAndSeek(page, url, seconds) {
  return page.evaluate(async ([url, seconds]) => {
    const video = Object.assign(document.createElement('video'), { muted: true, width: 640 });
    document.body.append(video);
    const failed = new Promise((_, fail) => { video.onerror = () => fail(new Error(video.error?.message)); });
    /** @param {string} name */
    const event = (name) => Promise.race([failed, new Promise((done) => video.addEventListener(name, done, { once: true }))]);
    const begun = performance.now();
    video.src = url;
    const playing = event('playing');
    await video.play();
    await playing;
    const played = performance.now();
    const sought = event('seeked');
    video.currentTime = seconds - 1;
    await sought;
    const ended = performance.now();
    const { duration, videoWidth, currentTime } = video;
    return { play: played - begun, seek: ended - played, duration, videoWidth, currentTime };
  }, /** @type {const} */ ([url, seconds]));
}

/** The first file that an entry of the page's space names. @param {import('playwright-core').Page} page */
export function firstFile(page) {
  return page.evaluate(async () => {
    const { space } = await import(`${location.origin}/.kith/kith.js`);
    for await (const entry of space.watch()) {
      if (entry.attachments.length > 0) return entry.attachments[0];
    }
    throw new Error('The page was left.');
  });
}
