/** A form that is a text of JSON. */

import { field, make } from "../dom.js";
import { isObject } from "../link/protocol.js";
import { format } from "../texts.js";

/**
 * Make the form.
 *
 * @param {any} schema Whose required members stand in the text at first.
 * @param {{texts: Record<string, string>}} options
 */
export function makeJsonForm(schema, { texts }) {
  const start = Object.fromEntries(
    Object.entries(schema?.properties ?? {})
      .filter(([name]) => schema.required?.includes(name))
      .map(([name, inner]) => [name, /** @type {any} */ (inner)?.default ?? ""]),
  );
  const text = make("textarea", {
    value: JSON.stringify(start, null, 2),
    rows: 6,
    spellcheck: false,
    className: "mcp-code",
  });
  const fault = make("p", { className: "mcp-fault", role: "alert" });
  const read = () => {
    const value = JSON.parse(text.value || "{}");
    if (!isObject(value)) throw new TypeError(text.value.slice(0, 40));
    return value;
  };
  return {
    element: make("div", {}, field(texts.json, text), fault),
    value: read,
    setValue: (/** @type {unknown} */ value) => {
      text.value = JSON.stringify(value, null, 2);
    },
    errors: () => {
      fault.textContent = "";
      text.removeAttribute("aria-invalid");
      try {
        read();
        return [];
      } catch (error) {
        const message = format(texts.notJson, { reason: /** @type {Error} */ (error).message });
        fault.textContent = message;
        text.setAttribute("aria-invalid", "true");
        text.focus();
        return [{ path: "", message }];
      }
    },
  };
}
