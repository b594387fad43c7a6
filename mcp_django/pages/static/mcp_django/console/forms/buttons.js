/** Buttons that add and remove parts of a form. */

/** How many places a form may grow by at once; what is beyond waits for the reader. */
export const PLACES = 300;

/**
 * Make a button that changes the form.
 *
 * @param {string} text
 * @param {() => void} change
 * @param {string} [label] Said of it to those who do not see where it stands.
 */
export function button(text, change, label) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "mcp-second mcp-form-button";
  made.textContent = text;
  made.addEventListener("click", change);
  if (label !== undefined) made.setAttribute("aria-label", label);
  return made;
}

/**
 * Tell the page that the value has changed.
 *
 * @param {Element} element
 */
export function announce(element) {
  element.dispatchEvent(new Event("input", { bubbles: true }));
}

/**
 * Put the focus on the first control.
 *
 * @param {Element} element
 */
export function focusFirst(element) {
  /** @type {HTMLElement | null} */
  const control = element.querySelector("input, select, textarea, button");
  control?.focus();
}

/** How many items or members are shown as fields; with more they are JSON. */
export const MOST_ROWS = 200;
