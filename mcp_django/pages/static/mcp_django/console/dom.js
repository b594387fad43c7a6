/** Elements of the page. What others wrote comes in as text, and never as HTML. */

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * Make an element.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [properties] `class`, `onclick` and its like, properties,
 *   and attributes such as `aria-label`.
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    } else if (name in element) {
      /** @type {any} */ (element)[name] = value;
    } else if (value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  add(element, ...children);
  return element;
}

/**
 * Add children to an element.
 *
 * @param {Element} element
 * @param {...Child} children
 */
export function add(element, ...children) {
  for (const child of children) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

let lastId = 0;

/**
 * Give an id that no other element has.
 *
 * @param {string} name What it begins with.
 */
export function freshId(name) {
  lastId += 1;
  return `mcp-${name}-${lastId}`;
}

/**
 * Make a labeled control.
 *
 * @param {string} label
 * @param {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} control
 * @param {string} [hint] Said below it.
 */
export function field(label, control, hint) {
  control.id ||= freshId("field");
  /** @type {Child[]} */
  const parts = [make("label", { htmlFor: control.id }, label), control];
  if (hint) {
    const note = make("p", { className: "mcp-quiet mcp-small", id: freshId("hint") }, hint);
    control.setAttribute("aria-describedby", note.id);
    parts.push(note);
  }
  return make("div", { className: "mcp-field" }, ...parts);
}
