/** A form made from a JSON Schema. */

import { freshId, make } from "../dom.js";
import { format } from "../texts.js";
import { PLACES } from "./buttons.js";
import { makeField } from "./fields.js";
import { isObject } from "../json.js";
import { Slot } from "./slot.js";

/**
 * @typedef {object} FormError
 * @property {string} path Where, as a JSON Pointer such as "/members/0/name"; "" for the whole.
 * @property {string} label The same for readers, such as "Members › Item 1".
 * @property {string} message
 */
/**
 * @typedef {object} SchemaForm
 * @property {HTMLElement} element To be put into the page, best into a `<form>`. It fires
 *   `input` when the value changes.
 * @property {() => any} value The value of JSON that the form stands for; what is not filled
 *   in is left out. Undefined where nothing is given, or what was given is not JSON.
 * @property {(value: any) => void} setValue Show a value; read back it is the same, by a JSON
 *   editor where the fields cannot show it.
 * @property {() => FormError[]} errors Show what is wrong next to the fields and above them,
 *   where the focus goes then. Empty when nothing is.
 */

/**
 * Make a form for a value.
 *
 * What the form cannot be made for has a JSON editor, which says why; and all of it can be
 * edited as JSON. Fields begin with the defaults of the schema.
 *
 * @param {unknown} schema JSON Schema 2020-12 or draft 7, such as a tool's `inputSchema` or
 *   the `requestedSchema` of an elicitation.
 * @param {object} options
 * @param {Record<string, string>} options.texts
 * @param {any} [options.value] What it begins with, instead of the defaults.
 * @param {(name: string, text: string) => Promise<string[]>} [options.complete] Offers how to
 *   go on with what is typed into the field of a member.
 * @returns {SchemaForm}
 */
export function makeForm(schema, { texts, value, complete }) {
  const root = isObject(schema) ? schema : {};
  const slot = new Slot({ root, texts, complete, makeField, places: PLACES }, schema, { label: "" });
  slot.begin();
  if (value !== undefined) slot.setValue(value);
  const summary = make("div", { className: "mcp-notice mcp-bad mcp-form-summary", tabIndex: -1, hidden: true });
  summary.setAttribute("role", "group");
  const title = make("p", { id: freshId("summary") }, format(texts.errors_title));
  summary.setAttribute("aria-labelledby", title.id);
  const toggle = make("button", { type: "button", className: "mcp-link mcp-form-toggle" });
  const why = make("p", { className: "mcp-form-why mcp-small", hidden: true });
  why.setAttribute("role", "status");
  const element = make("div", { className: "mcp-form" }, summary, slot.element, why, make("p", {}, toggle));

  const showToggle = () => {
    toggle.textContent = format(slot.isJson ? texts.as_form : texts.as_json);
    toggle.hidden = slot.kind.kind === "unknown" || slot.kind.kind === "any";
  };
  const say = (/** @type {string} */ text) => {
    why.textContent = text;
    why.hidden = text === "";
  };
  toggle.addEventListener("click", () => {
    say("");
    if (!slot.isJson) slot.useJson(slot.value());
    else if (slot.field.broken().length) say(slot.field.broken().join(" "));
    else slot.setValue(slot.value());
    showToggle();
    toggle.focus();
  });

  const find = () => {
    const problems = slot.problems([], []);
    const lines = problems.map((problem) => {
      const text = problem.label ? `${problem.label}: ${problem.message}` : problem.message;
      const go = () => problem.control.focus();
      return make("li", {}, make("button", { type: "button", className: "mcp-link", onclick: go }, text));
    });
    summary.replaceChildren(title, make("ul", {}, ...lines));
    summary.hidden = !problems.length;
    return problems;
  };
  element.addEventListener("input", () => {
    if (!summary.hidden) find();
  });
  showToggle();
  return {
    element,
    value: () => slot.value(),
    setValue: (given) => {
      slot.setValue(given);
      say("");
      showToggle();
      if (!summary.hidden) find();
    },
    errors: () => {
      const problems = find();
      if (problems.length) summary.focus();
      return problems.map(({ path, label, message }) => ({ path: pointer(path), label, message }));
    },
  };
}

/** @param {(string | number)[]} path */
function pointer(path) {
  return path
    .map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`)
    .join("");
}
