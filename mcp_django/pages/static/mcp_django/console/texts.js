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
 * Write a number as the language of the page does.
 *
 * @param {number} value
 * @param {number} [digits] How many there are behind the point, or comma.
 * @returns {string}
 */
export function number(value, digits = 0) {
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  try {
    return new Intl.NumberFormat(document.documentElement.lang || "en", options).format(value);
  } catch {
    // A page of the project's own may name a language that is none.
    return value.toFixed(digits);
  }
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
