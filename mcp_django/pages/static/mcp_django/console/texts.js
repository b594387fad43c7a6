/** Texts that the page brought, with values filled in. */

/**
 * Fill values into a text.
 *
 * @param {string | undefined} text Such as "Answered after {seconds} s".
 * @param {Record<string, unknown>} [values] By the names in braces.
 * @returns {string}
 */
export function format(text, values = {}) {
  return (text ?? "").replace(/\{(\w+)\}/g, (whole, name) =>
    Object.hasOwn(values, name) ? textOf(values[name]) : whole,
  );
}

/**
 * Give a value of JSON as a text: a text as it is, all else as JSON.
 *
 * `String()` would call what an object has as `toString`.
 *
 * @param {unknown} value
 * @returns {string}
 */
export function textOf(value) {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}
