/** A JSON editor: the way out where a form cannot show what there is. */

import { make } from "../dom.js";
import { format } from "../texts.js";

/** @import {Slot, Field} from "./slot.js" */

/** @implements {Field} */
export class JsonField {
  /**
   * @param {Slot} slot
   * @param {string} why Why it is there; "" when the reader asked for it.
   */
  constructor(slot, why) {
    this.texts = slot.form.texts;
    this.control = make("textarea", { className: "mcp-form-json", rows: 3, spellcheck: false, dir: "ltr" });
    this.control.setAttribute("autocapitalize", "off");
    this.control.addEventListener("input", () => this.#grow());
    this.element = make(
      "div",
      {},
      why !== "" && make("p", { className: "mcp-form-why mcp-small" }, why),
      this.control,
    );
  }

  value() {
    return read(this.control.value).value;
  }

  /** @param {any} value */
  setValue(value) {
    this.control.value = value === undefined ? "" : JSON.stringify(value, null, 2);
    this.#grow();
  }

  broken() {
    const { error, inexact } = read(this.control.value);
    if (error !== undefined) return [format(this.texts.no_json, { reason: error })];
    if (inexact !== undefined) return [format(this.texts.inexact, { number: inexact })];
    return [];
  }

  below() {
    return [];
  }

  #grow() {
    const lines = this.control.value.split("\n").length;
    this.control.rows = Math.min(24, Math.max(3, lines + 1));
  }
}

/**
 * Read JSON.
 *
 * @param {string} text Blank for nothing.
 * @returns {{value?: any, error?: string, inexact?: string}} `inexact` is a whole number
 *   that JavaScript cannot keep as it is written.
 */
export function read(text) {
  if (text.trim() === "") return {};
  /** @type {string | undefined} */
  let inexact;
  /** @type {(this: any, key: string, value: any, context?: {source?: string}) => any} */
  const look = (_key, value, context) => {
    if (context?.source !== undefined && isInexact(context.source)) inexact ??= context.source;
    return value;
  };
  try {
    const value = JSON.parse(text, look);
    return inexact === undefined ? { value } : { value, inexact };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Say whether a number that is written so cannot be kept: too large, or with too many digits.
 *
 * @param {string} source
 */
export function isInexact(source) {
  const value = Number(source);
  if (Number.isNaN(value)) return false;
  if (!Number.isFinite(value)) return true;
  return /^-?\d+$/.test(source) && BigInt(source) !== BigInt(value);
}
