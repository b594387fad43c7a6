/** A worked call as the fragment of a link: browsers send none of it to any server. */

import { isObject } from "./protocol.js";

/** @typedef {"tools" | "resources" | "templates" | "prompts"} Kind */

/**
 * @typedef {object} Call A feature, and what its form is filled with.
 * @property {Kind} kind
 * @property {string} name Of a resource its URI, of a template the template.
 * @property {Record<string, any>} values
 */

const KINDS = ["tools", "resources", "templates", "prompts"];
const MAX_CHARACTERS = 100_000;

/**
 * Write a call as a fragment.
 *
 * @param {Call} call
 */
export function writeCall({ kind, name, values }) {
  const parts = new URLSearchParams({ [kind]: name, with: JSON.stringify(values) });
  return `#${parts}`;
}

/**
 * Read a fragment that others wrote; undefined if it is none of ours.
 *
 * @param {string} fragment
 * @returns {Call | undefined}
 */
export function readCall(fragment) {
  if (fragment.length > MAX_CHARACTERS) return undefined;
  const parts = new URLSearchParams(fragment.replace(/^#/, ""));
  const kind = KINDS.find((one) => parts.has(one));
  if (kind === undefined) return undefined;
  try {
    const values = JSON.parse(parts.get("with") ?? "{}");
    if (!isObject(values)) return undefined;
    return { kind: /** @type {Kind} */ (kind), name: parts.get(kind) ?? "", values };
  } catch {
    return undefined;
  }
}
