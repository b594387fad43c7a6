/** The clipboard, as far as the browser lets it be used. */

/**
 * Copy a text; say whether that was possible.
 *
 * @param {string} text
 */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
