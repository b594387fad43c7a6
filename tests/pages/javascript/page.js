/** A page for the tests: the DOM of jsdom, in the place of a browser's. */

import { createRequire } from "node:module";

const { JSDOM } = createRequire(`${process.env.NODE_PACKAGES}/`)("jsdom");

const NAMES = ["document", "Event", "HTMLElement", "Node", "navigator"];

/** Begin a new, empty page. */
export function openPage() {
  const { window } = new JSDOM("<!doctype html><body></body>", {
    url: "http://site.test/mcp/console/",
  });
  for (const name of NAMES) {
    Object.defineProperty(globalThis, name, { value: window[name], configurable: true });
  }
  return window.document;
}

/**
 * Do as a reader who types into a field or chooses.
 *
 * @param {any} control
 * @param {string | boolean} value
 */
export function enter(control, value) {
  if (typeof value === "boolean") control.checked = value;
  else control.value = value;
  control.dispatchEvent(new Event("input", { bubbles: true }));
  control.dispatchEvent(new Event("change", { bubbles: true }));
}
