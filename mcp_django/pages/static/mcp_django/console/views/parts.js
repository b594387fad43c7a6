/** Results, as they are shown. */

import { make } from "../dom.js";

/**
 * Show a result, or a list of content.
 *
 * @param {unknown} content
 * @param {{texts: any, onResource: (uri: string) => void}} _options
 * @returns {HTMLElement}
 */
export function showContent(content, _options) {
  return make("pre", { tabIndex: 0 }, JSON.stringify(content, null, 2) ?? "");
}
