/** Values of JSON: lists of objects as tables, all else as a tree that opens step by step. */

import { make } from "../dom.js";
import { isObject } from "../json.js";
import { format } from "../texts.js";
import { theirs } from "../theirs.js";

/** @typedef {Record<string, string>} Texts */

const MOST_ROWS = 50;
const MOST_COLUMNS = 24;
const MOST_LETTERS = 2_000;
const OPEN_DEPTH = 2;
const MOST_OPEN = 12;

/**
 * Show a value.
 *
 * @param {unknown} value
 * @param {Texts} texts
 * @param {number} [depth] How deep in the tree it is.
 * @returns {HTMLElement}
 */
export function showValue(value, texts, depth = 0) {
  if (Array.isArray(value)) {
    const columns = columnsOf(value);
    if (columns) return showTable(value, columns, texts);
  }
  if (typeof value !== "object" || value === null) return showLeaf(value, texts);
  const isList = Array.isArray(value);
  const entries = Object.entries(value);
  if (!entries.length) return make("code", {}, isList ? "[]" : "{}");
  const line = (/** @type {[string, unknown]} */ [name, member]) =>
    make("li", {}, ...showMember(isList ? String(Number(name) + 1) : name, member, texts, depth + 1));
  return growing(make("ul", { className: "mcp-result-tree" }), entries, line, texts);
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {Texts} texts
 * @param {number} depth
 */
function showMember(name, value, texts, depth) {
  const label = make("span", { className: "mcp-result-key" }, theirs(name));
  if (!isComposite(value)) return [label, " ", showLeaf(value, texts)];
  return [foldedValue([label, " ", sizeOf(value, texts)], value, texts, depth)];
}

/** @param {unknown} value @returns {value is object} */
function isComposite(value) {
  return typeof value === "object" && value !== null && Object.keys(value).length > 0;
}

/** @param {object} value @param {Texts} texts */
function sizeOf(value, texts) {
  const count = Object.keys(value).length;
  const text = format(Array.isArray(value) ? texts.list_of : texts.object_of, { count });
  return make("span", { className: "mcp-quiet mcp-small" }, text);
}

/**
 * @param {(Node | string)[]} title
 * @param {object} value
 * @param {Texts} texts
 * @param {number} depth
 */
function foldedValue(title, value, texts, depth) {
  const details = make("details", {}, make("summary", {}, ...title));
  let isMade = false;
  const fill = () => {
    if (isMade) return;
    isMade = true;
    details.append(showValue(value, texts, depth));
  };
  const isSmall = Object.keys(value).length <= MOST_OPEN;
  if (depth < OPEN_DEPTH || (depth === OPEN_DEPTH && isSmall)) {
    details.open = true;
    fill();
  }
  details.addEventListener("toggle", fill);
  return details;
}

/**
 * Show a value without parts.
 *
 * @param {unknown} value
 * @param {Texts} texts
 * @returns {HTMLElement}
 */
function showLeaf(value, texts) {
  if (typeof value !== "string") {
    return make("code", { className: `mcp-result-${typeof value}` }, JSON.stringify(value) ?? "");
  }
  const text = make("span", { className: "mcp-result-string", dir: "auto" });
  if (value.length <= MOST_LETTERS) {
    text.append(value === "" ? '""' : value);
    return text;
  }
  const all = make("button", { type: "button", className: "mcp-link mcp-small" }, format(texts.show_all));
  all.addEventListener("click", () => text.replaceChildren(value));
  text.append(`${value.slice(0, MOST_LETTERS)}… `, all);
  return text;
}

/**
 * Give the columns of a list of objects; undefined for other lists.
 *
 * @param {unknown[]} rows
 * @returns {string[] | undefined}
 */
function columnsOf(rows) {
  /** @type {Set<string>} */
  const columns = new Set();
  for (const row of rows) {
    if (!isObject(row)) return undefined;
    for (const name of Object.keys(row)) columns.add(name);
    if (columns.size > MOST_COLUMNS) return undefined;
  }
  return columns.size ? [...columns] : undefined;
}

/**
 * @param {Record<string, unknown>[]} rows
 * @param {string[]} columns
 * @param {Texts} texts
 */
function showTable(rows, columns, texts) {
  const heads = columns.map((name) => make("th", { scope: "col" }, theirs(name)));
  const body = make("tbody");
  const line = (/** @type {Record<string, unknown>} */ row) =>
    make("tr", {}, ...columns.map((name) => showCell(row, name, texts)));
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads)), body);
  // It is scrolled by the keyboard, too.
  const place = make("div", { className: "mcp-result-table", tabIndex: 0, role: "region" }, table);
  place.setAttribute("aria-label", format(texts.table, { count: rows.length }));
  const grown = growing(body, rows, line, texts);
  return grown === body ? place : make("div", {}, place, grown);
}

/**
 * @param {Record<string, unknown>} row
 * @param {string} name
 * @param {Texts} texts
 */
function showCell(row, name, texts) {
  if (!Object.hasOwn(row, name)) return make("td");
  const value = row[name];
  const isNumber = typeof value === "number";
  if (!isComposite(value)) {
    return make("td", { className: isNumber ? "mcp-result-numbers" : "" }, showLeaf(value, texts));
  }
  return make("td", {}, foldedValue([sizeOf(value, texts)], value, texts, OPEN_DEPTH + 1));
}

/**
 * Fill a list with its first lines, and with all when the reader asks.
 *
 * @template Line
 * @param {HTMLElement} list
 * @param {Line[]} lines
 * @param {(line: Line) => HTMLElement} show
 * @param {Texts} texts
 * @returns {HTMLElement} The list; for a table's body what comes below the table.
 */
function growing(list, lines, show, texts) {
  list.append(...lines.slice(0, MOST_ROWS).map(show));
  if (lines.length <= MOST_ROWS) return list;
  const note = make("p", { className: "mcp-quiet mcp-small" });
  let shown = MOST_ROWS;
  const say = () => {
    note.replaceChildren(format(texts.rows, { shown, count: lines.length }), " ", more);
    if (shown >= lines.length) note.remove();
  };
  const more = make("button", { type: "button", className: "mcp-link" }, format(texts.show_more));
  more.addEventListener("click", () => {
    const next = lines.slice(shown, shown * 4).map(show);
    shown = Math.min(lines.length, shown * 4);
    list.append(...next);
    say();
  });
  say();
  return list.tagName === "TBODY" ? note : make("div", {}, list, note);
}
