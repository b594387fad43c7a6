/** What others wrote, as elements of the page. */

import { make } from "./dom.js";
import { textOf } from "./texts.js";

/**
 * Make a text that others wrote, whose direction is its own.
 *
 * @param {unknown} text
 */
export function theirs(text) {
  return make("bdi", {}, textOf(text ?? ""));
}
