/** Texts for the tests: each is its own key. */
export const texts = new Proxy({}, { get: (_all, key) => String(key) });
