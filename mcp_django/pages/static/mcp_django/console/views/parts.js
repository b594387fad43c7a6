/** Forms and results, as the views use them. */

import { make } from "../dom.js";
import { makeJsonForm } from "./json_form.js";

/**
 * @typedef {object} Form
 * @property {HTMLElement} element
 * @property {() => any} value
 * @property {(value: any) => void} setValue
 * @property {() => {path: string, message: string}[]} errors
 */

/**
 * Make a form of a schema.
 *
 * @param {unknown} schema
 * @param {{texts: any, complete?: (name: string, value: string) => Promise<string[]>}} options
 * @returns {Form}
 */
export function makeForm(schema, options) {
  return makeJsonForm(schema, options);
}

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
