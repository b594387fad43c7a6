/** A place in a form: the field that its schema makes, or a JSON editor in its stead. */

import { add, freshId, make } from "../dom.js";
import { format, textOf } from "../texts.js";
import { theirs } from "../theirs.js";
import { check, checkOutside } from "./check.js";
import { hintsOf } from "./hints.js";
import { JsonField } from "./json.js";
import { kindOf } from "./kinds.js";
import { same } from "../json.js";

/** @import {Schema} from "./schema.js" */
/** @import {Kind} from "./kinds.js" */
/**
 * What all places of one form know.
 *
 * @typedef {object} Form
 * @property {Schema} root The whole schema, in which references are resolved.
 * @property {Record<string, string>} texts
 * @property {((name: string, text: string) => Promise<string[]>) | undefined} complete
 * @property {(slot: Slot) => Field} makeField Makes the field that shows a place.
 * @property {number} places How many may still be made before the reader asks for more.
 */
/**
 * What is wrong at a place.
 *
 * @typedef {object} Problem
 * @property {(string | number)[]} path
 * @property {string} label
 * @property {string} message
 * @property {HTMLElement} control What gets the focus.
 */
/**
 * A place below another one; a path of null says that it is the same value.
 *
 * @typedef {{key: string | number | null, label: string, slot: Slot}} Below
 */
/**
 * What shows a value and lets it be changed.
 *
 * @typedef {object} Field
 * @property {Node} element
 * @property {HTMLElement | null} control What has the label; null for a group of them.
 * @property {() => any} value Undefined when nothing is given.
 * @property {(value: any) => void} setValue Undefined takes away what was given.
 * @property {() => string[]} broken What is wrong with what was typed, before it is a value.
 * @property {() => Below[]} below
 * @property {boolean} [isAlwaysGiven] Whether the reader need not do anything.
 */

const MAX_DEPTH = 24;

export class Slot {
  /**
   * @param {Form} form
   * @param {unknown} schema
   * @param {object} options
   * @param {string} [options.name] What the member is called.
   * @param {string} [options.label] Its label; the schema's title otherwise.
   * @param {boolean} [options.isRequired] Whether there has to be a value.
   * @param {boolean} [options.isPlain] Whether what is around shows the label already.
   * @param {Slot} [options.parent]
   */
  constructor(form, schema, options = {}) {
    const { name, label, isRequired = true, isPlain = false, parent } = options;
    this.form = form;
    this.name = name;
    this.isRequired = isRequired;
    this.isPlain = isPlain;
    this.depth = parent ? parent.depth + 1 : 0;
    this.kind = this.#kindOf(schema);
    this.followed = new Set([...(parent?.followed ?? []), ...this.kind.followed]);
    this.isRecursive = [...this.kind.followed].some((ref) => parent?.followed.has(ref));
    this.label = label ?? textOf(this.kind.schema.title || name || "");
    this.element = make("div", { className: "mcp-form-slot" });
    this.errors = make("ul", { className: "mcp-form-errors", id: freshId("errors"), hidden: true });
    form.places -= 1;
    /** @type {Field} */
    this.field = form.makeField(this);
    this.isJson = this.kind.kind === "unknown";
    this.#show();
  }

  /** @param {unknown} schema @returns {Kind} */
  #kindOf(schema) {
    if (this.depth <= MAX_DEPTH) return kindOf(schema, this.form.root);
    const any = { kind: /** @type {const} */ ("any"), schema: {}, nullable: true };
    return { ...any, followed: new Set() };
  }

  /** The value; undefined when nothing is given. */
  value() {
    return this.field.value();
  }

  /**
   * Show a value. What the field cannot show is in a JSON editor then.
   *
   * @param {any} value Undefined when nothing is given.
   */
  setValue(value) {
    if (this.isJson && this.kind.kind !== "unknown") this.#use(this.form.makeField(this), false);
    this.field.setValue(value);
    if (!same(this.field.value(), value)) {
      this.useJson(value, format(this.form.texts.why_value));
    }
  }

  /**
   * Make a place below this one.
   *
   * @param {unknown} schema
   * @param {object} options As of any place.
   * @param {string} [options.name]
   * @param {string} [options.label]
   * @param {boolean} [options.isRequired]
   * @param {boolean} [options.isPlain]
   */
  makeBelow(schema, options) {
    return new Slot(this.form, schema, { ...options, parent: this });
  }

  /**
   * Say whether a schema of this form allows a value.
   *
   * @param {unknown} schema
   * @param {any} value
   */
  fits(schema, value) {
    return !check(schema, value, this.form.root).length;
  }

  /** Begin with what the schema says, or the field. */
  begin() {
    const { schema } = this.kind;
    // That nothing is given means the same.
    const isNothing = schema.default === null && !this.isRequired;
    if ("default" in schema && !isNothing) this.setValue(schema.default);
  }

  /**
   * Show a JSON editor in the field's stead.
   *
   * @param {any} value
   * @param {string} [why] Why it is there.
   */
  useJson(value, why = "") {
    const json = new JsonField(this, why);
    json.setValue(value);
    this.#use(json, true);
  }

  /** @param {string} label */
  relabel(label) {
    this.label = label;
    this.#show();
  }

  /** @param {Field} field @param {boolean} isJson */
  #use(field, isJson) {
    this.field = field;
    this.isJson = isJson;
    this.#show();
  }

  /**
   * Say what is wrong here and below, next to the fields.
   *
   * @param {(string | number)[]} path
   * @param {string[]} labels
   * @returns {Problem[]}
   */
  problems(path, labels) {
    const own = this.#ownProblems();
    this.#showErrors(own.map((problem) => problem.message));
    const control = this.field.control ?? this.#firstControl();
    const label = labels.join(" › ");
    return [
      ...own.map((one) => ({ ...one, path: [...path, ...one.path], label, control })),
      ...this.field.below().flatMap(({ key, label: part, slot }) =>
        slot.problems(key === null ? path : [...path, key], part ? [...labels, part] : labels),
      ),
    ];
  }

  /** @returns {{path: (string | number)[], message: string}[]} */
  #ownProblems() {
    const { texts, root } = this.form;
    const broken = this.field.broken();
    if (broken.length) return broken.map((message) => ({ path: [], message }));
    const value = this.value();
    if (value === undefined) {
      return this.isRequired ? [{ path: [], message: format(texts.missing) }] : [];
    }
    const isDeep = this.isJson || this.field.control !== null;
    const faults = isDeep
      ? check(this.kind.schema, value, root)
      : checkOutside(this.kind.schema, value, root);
    return faults.map(({ path, text, values }) => {
      const message = format(texts[text] ?? texts.not_allowed, values);
      return { path, message: path.length ? `${path.join(" › ")}: ${message}` : message };
    });
  }

  /** @param {string[]} messages */
  #showErrors(messages) {
    this.errors.replaceChildren(...messages.map((message) => make("li", {}, message)));
    this.errors.hidden = !messages.length;
    const { control } = this.field;
    if (!control) return;
    if (messages.length) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  }

  /** @returns {HTMLElement} */
  #firstControl() {
    return this.element.querySelector("input, select, textarea, button") ?? this.element;
  }

  #show() {
    this.#showErrors([]);
    this.element.replaceChildren(this.field.control ? this.#line() : this.#group());
  }

  /** A label, the control, and what is said of it. */
  #line() {
    const control = /** @type {HTMLElement} */ (this.field.control);
    control.id ||= freshId("field");
    const notes = this.#notes();
    control.setAttribute("aria-describedby", [...notes, this.errors].map((one) => one.id).join(" "));
    if (this.#isMarked) control.setAttribute("aria-required", "true");
    const label = make("label", { htmlFor: control.id }, ...this.#title());
    if (this.isPlain) label.className = "mcp-unseen";
    return make("div", { className: "mcp-field mcp-form-field" }, label, ...notes, this.field.element, this.errors);
  }

  /** A heading around the fields of what has parts. */
  #group() {
    const notes = this.#notes();
    if (!this.label || this.isPlain) return make("div", {}, ...notes, this.errors, this.field.element);
    const group = make("fieldset", { className: "mcp-form-group" });
    group.setAttribute("aria-describedby", [...notes, this.errors].map((one) => one.id).join(" "));
    add(group, make("legend", {}, ...this.#title()), ...notes, this.errors, this.field.element);
    return group;
  }

  /** Whether it is said that the reader has to give a value. */
  get #isMarked() {
    return this.isRequired && this.name !== undefined && !this.field.isAlwaysGiven;
  }

  #title() {
    const { texts } = this.form;
    const label = this.label || format(texts.json_label);
    const plain = (/** @type {string} */ text) => text.toLowerCase().replace(/[\s_-]/g, "");
    const name = this.name && plain(this.name) !== plain(label) ? this.name : null;
    return [
      theirs(label),
      this.#isMarked && make("span", { className: "mcp-form-required", title: format(texts.required) }, " *"),
      name !== null && make("code", { className: "mcp-form-name", dir: "ltr" }, ` ${name}`),
    ];
  }

  #notes() {
    const { description } = this.kind.schema;
    const isText = typeof description === "string" && description !== "";
    const said = [
      ...(isText ? [make("span", { dir: "auto" }, description)] : []),
      ...hintsOf(this).map((hint) => make("span", {}, hint)),
    ];
    return said.map((one) =>
      make("p", { className: "mcp-form-hint", id: freshId("hint") }, one),
    );
  }
}
