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
    Object.hasOwn(values, name) ? String(values[name]) : whole,
  );
}
