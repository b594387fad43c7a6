/** Texts: plain, as Markdown, or as the JSON they are; long ones are cut. */

import { make } from "../dom.js";
import { format } from "../texts.js";
import { showMarkdown } from "./markdown.js";
import { showValue } from "./structured.js";

const MOST_SHOWN = 5_000;
const MOST_PARSED = 1_000_000;
const MOST_MARKDOWN = 200_000;

/**
 * Show a text as what it is.
 *
 * @param {string} text
 * @param {Record<string, string>} texts
 * @param {string} [type] Its media type, "" where that is not known.
 * @returns {HTMLElement}
 */
export function showText(text, texts, type = "") {
  const rich = richOf(text, type.split(";", 1)[0]?.trim().toLowerCase() ?? "", texts);
  const plain = () => showPlain(text, texts);
  if (!rich) return plain();
  const place = make("div", {}, rich.show());
  let isRich = true;
  const toggle = make("button", { type: "button", className: "mcp-link mcp-small" }, format(texts.as_text));
  toggle.addEventListener("click", () => {
    isRich = !isRich;
    place.replaceChildren(isRich ? rich.show() : plain());
    toggle.textContent = isRich ? format(texts.as_text) : rich.name;
  });
  return make("div", {}, place, toggle);
}

/**
 * @param {string} text
 * @param {string} type
 * @param {Record<string, string>} texts
 * @returns {{name: string, show: () => HTMLElement} | undefined} Undefined for plain text.
 */
function richOf(text, type, texts) {
  const isOpen = type === "" || type === "text/plain";
  if (type === "application/json" || type.endsWith("+json") || (isOpen && /^\s*[[{]/.test(text))) {
    const value = text.length <= MOST_PARSED ? parsed(text) : undefined;
    if (typeof value === "object") {
      return { name: format(texts.as_tree), show: () => showValue(value, texts) };
    }
  }
  if (type === "text/markdown" || (isOpen && looksLikeMarkdown(text.slice(0, MOST_SHOWN)))) {
    const show = () =>
      showCut(text, texts, (part) =>
        part.length <= MOST_MARKDOWN ? showMarkdown(part) : plainText(part),
      );
    return { name: format(texts.as_markdown), show };
  }
  return undefined;
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}

/** One of these says that a text is Markdown. */
const SIGNS = [
  /^ {0,3}(```|~~~)/m,
  /^\|[^\n]*\|[ \t]*\n\|[ :|-]+\|/m,
  /\[[^\]\n]{1,200}\]\([^)\s]{1,500}\)/,
  /(^|\s)\*\*[^\s*][^*\n]{0,200}\*\*/,
];
/** Other texts have these, too; two of them say it. */
const HINTS = [/^#{1,6} \S/m, /^ {0,3}[-*] \S/m, /^ {0,3}\d{1,3}\. \S/m, /^> \S/m, /`[^`\n]{1,200}`/];

/** @param {string} text */
function looksLikeMarkdown(text) {
  if (SIGNS.some((sign) => sign.test(text))) return true;
  return HINTS.filter((hint) => hint.test(text)).length >= 2;
}

/**
 * Show a text as it is written.
 *
 * @param {string} text
 * @param {Record<string, string>} texts
 */
function showPlain(text, texts) {
  return showCut(text, texts, plainText);
}

/** @param {string} text */
function plainText(text) {
  return make("div", { className: "mcp-result-text", dir: "auto" }, text);
}

/**
 * Show the beginning of a text, and a way to see all where that is not all.
 *
 * @param {string} text
 * @param {Record<string, string>} texts
 * @param {(part: string) => HTMLElement} show
 */
function showCut(text, texts, show) {
  if (text.length <= MOST_SHOWN) return show(text);
  // Not between the halves of a character.
  const end = /[\ud800-\udbff]/.test(text[MOST_SHOWN - 1] ?? "") ? MOST_SHOWN - 1 : MOST_SHOWN;
  const note = make("p", { className: "mcp-quiet mcp-small" }, format(texts.cut, { shown: end, count: text.length }), " ");
  const all = make("button", { type: "button", className: "mcp-link" }, format(texts.show_all));
  const place = make("div", {}, show(text.slice(0, end)), note);
  note.append(all);
  all.addEventListener("click", () => {
    const whole = show(text);
    whole.tabIndex = -1;
    place.replaceChildren(whole);
    whole.focus();
  });
  return place;
}
