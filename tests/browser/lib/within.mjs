// Waits that end: what never comes fails its test by name, rather than all of them by their time.

/**
 * What `work` comes to, or a failure that names it when that takes longer than `time` ms.
 * @template T @param {number} time @param {string} what @param {Promise<T>} work @returns {Promise<T>}
 */
export async function within(time, what, work) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */ let timer;
  /** @type {Promise<never>} */ const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`${what}: nothing within ${time / 1_000} s`)), time);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
