/** Fields that one types into: texts, dates, numbers. */

import { freshId, make } from "../dom.js";
import { format } from "../texts.js";
import { fromLocal, toLocal } from "./formats.js";
import { isInexact } from "./json.js";

/** @import {Slot, Field} from "./slot.js" */

/** @type {Record<string, Record<string, string>>} */
const INPUTS = {
  date: { type: "date" },
  time: { type: "time", step: "1" },
  "date-time": { type: "datetime-local", step: "1" },
  email: { type: "text", inputmode: "email", autocapitalize: "off" },
  uri: { type: "text", inputmode: "url", autocapitalize: "off" },
  url: { type: "text", inputmode: "url", autocapitalize: "off" },
  uuid: { type: "text", autocapitalize: "off" },
  password: { type: "password" },
};

const WAIT_MS = 150;

/** @implements {Field} */
export class TextField {
  /** @param {Slot} slot */
  constructor(slot) {
    this.slot = slot;
    const { schema } = slot.kind;
    this.format = typeof schema.format === "string" ? schema.format : "";
    const attributes = Object.hasOwn(INPUTS, this.format) ? INPUTS[this.format] : undefined;
    const { complete } = slot.form;
    this.control = attributes || complete ? input(attributes ?? {}) : lines();
    this.control.setAttribute("placeholder", placeholder(schema));
    if (!attributes || attributes.type === "text") this.control.setAttribute("dir", "auto");
    /** @type {Node} What is around the control. */
    this.element = this.control;
    /** What was set, until the reader writes: it may say more than the control shows. */
    this.given = this.#blank();
    this.isGiven = true;
    this.control.addEventListener("input", () => {
      this.isGiven = false;
    });
    if (complete && !attributes) this.element = completing(this.control, slot, complete);
  }

  /** What an empty control stands for: null where there has to be a value and null is one. */
  #blank() {
    return this.slot.isRequired && this.slot.kind.nullable ? null : undefined;
  }

  value() {
    if (this.isGiven) return this.given;
    const text = this.control.value;
    if (text === "") return this.#blank();
    if (this.format === "date-time") return fromLocal(text);
    return this.format === "time" && text.length === 5 ? `${text}:00` : text;
  }

  /** @param {any} value */
  setValue(value) {
    const isText = typeof value === "string";
    const shown = isText && this.format === "date-time" ? toLocal(value) : value;
    this.control.value = isText ? shown : "";
    // A control that cannot show a text is empty, or shows another.
    const isShown = isText && this.control.value === shown && (shown !== "" || value === "");
    const isNothing = value === undefined || (value === null && this.slot.kind.nullable);
    this.given = isShown || isNothing ? value : undefined;
    this.isGiven = true;
    const { texts } = this.slot.form;
    const names = value === null ? "null" : value === "" ? format(texts.empty_text) : null;
    this.control.setAttribute("placeholder", names ?? placeholder(this.slot.kind.schema));
  }

  broken() {
    const isBad = this.control.value === "" && this.control.validity?.badInput;
    return isBad ? [format(this.slot.form.texts.half_written)] : [];
  }

  below() {
    return [];
  }
}

/** @implements {Field} */
export class NumberField {
  /** @param {Slot} slot */
  constructor(slot) {
    this.slot = slot;
    this.isWhole = [slot.kind.schema.type].flat().includes("integer");
    this.control = input({ type: "text", inputmode: this.isWhole ? "numeric" : "decimal" });
    // A phone's keyboard for whole numbers has no minus sign.
    if (!(slot.kind.schema.minimum >= 0)) this.control.setAttribute("inputmode", "text");
    this.control.setAttribute("placeholder", placeholder(slot.kind.schema));
    this.control.setAttribute("dir", "ltr");
    this.element = this.control;
    this.hasNull = this.#blank() === null;
    this.control.addEventListener("input", () => {
      this.hasNull = this.#blank() === null;
    });
  }

  #blank() {
    return this.slot.isRequired && this.slot.kind.nullable ? null : undefined;
  }

  value() {
    const text = this.control.value.trim();
    if (text === "") return this.hasNull ? null : undefined;
    return isNumber(text) ? Number(text) : text;
  }

  /** @param {any} value */
  setValue(value) {
    this.hasNull = value === null && this.slot.kind.nullable;
    this.control.value = value === undefined || value === null ? "" : String(value);
    const name = this.hasNull ? "null" : placeholder(this.slot.kind.schema);
    this.control.setAttribute("placeholder", name);
  }

  broken() {
    const { texts } = this.slot.form;
    const text = this.control.value.trim();
    if (text === "") return [];
    if (!isNumber(text)) return [format(texts.no_number, { text })];
    return isInexact(text) ? [format(texts.inexact, { number: text })] : [];
  }

  below() {
    return [];
  }
}

/** @param {string} text */
function isNumber(text) {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text);
}

/** @param {Record<string, string>} attributes */
function input(attributes) {
  const control = make("input", { autocomplete: "off", spellcheck: false });
  for (const [name, value] of Object.entries(attributes)) control.setAttribute(name, value);
  return control;
}

/** Make a field that grows with its lines; Enter sends the form, with Shift it makes a line. */
function lines() {
  const control = make("textarea", { className: "mcp-form-text", rows: 1 });
  control.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    const form = control.closest("form");
    if (!form) return;
    event.preventDefault();
    form.requestSubmit();
  });
  return control;
}

/** @param {Record<string, any>} schema */
function placeholder(schema) {
  const example = schema.default ?? (Array.isArray(schema.examples) ? schema.examples[0] : "");
  return typeof example === "string" || typeof example === "number" ? String(example) : "";
}

/**
 * Offer what the server knows to go on with what is typed.
 *
 * @param {HTMLInputElement | HTMLTextAreaElement} control
 * @param {Slot} slot
 * @param {(name: string, text: string) => Promise<string[]>} complete
 */
function completing(control, slot, complete) {
  const offered = make("datalist", { id: freshId("offered") });
  control.setAttribute("list", offered.id);
  let turn = 0;
  const ask = async () => {
    turn += 1;
    const own = turn;
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
    if (own !== turn) return;
    // What cannot be completed can be typed.
    const offers = await complete(slot.name ?? "", control.value).catch(() => []);
    if (own !== turn) return;
    offered.replaceChildren(...offers.map((text) => make("option", { value: text })));
  };
  control.addEventListener("input", ask);
  control.addEventListener("focus", ask);
  return make("div", {}, control, offered);
}
