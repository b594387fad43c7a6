/**
 * Markdown, as elements: the part of it that models and tools write.
 *
 * HTML in it is text. Links lead to http, https and mailto alone; images are links. It takes
 * time by the length of the text only.
 */

import { make } from "../dom.js";
import { showInline } from "./inline.js";

const MAX_DEPTH = 8;

const FENCE = /^ {0,3}(~{3,}|`{3,}(?!.*`))/;
const HEADING = /^ {0,3}(#{1,6})(?= |$)/;
const RULE = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])(?: +|$)/;
const TABLE_LINE = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;

/**
 * Show Markdown.
 *
 * @param {string} text
 * @returns {HTMLElement}
 */
export function showMarkdown(text) {
  const lines = text.replaceAll("\r\n", "\n").replaceAll("\t", "    ").split("\n");
  return make("div", { className: "mcp-result-markdown", dir: "auto" }, ...blocks(lines, 0));
}

/** Reads lines one after the other. */
class Lines {
  /** @param {string[]} lines */
  constructor(lines) {
    this.lines = lines;
    this.at = 0;
  }

  get isOver() {
    return this.at >= this.lines.length;
  }

  /** The line where it is, or one of those after. */
  peek(ahead = 0) {
    return this.lines[this.at + ahead] ?? "";
  }

  take() {
    this.at += 1;
    return this.lines[this.at - 1] ?? "";
  }
}

/**
 * @param {string[]} all
 * @param {number} depth
 * @returns {Generator<HTMLElement>}
 */
function* blocks(all, depth) {
  const lines = new Lines(all);
  while (!lines.isOver) {
    const line = lines.peek();
    if (line.trim() === "") lines.take();
    else if (FENCE.test(line)) yield fenced(lines);
    else if (HEADING.test(line)) yield heading(lines.take());
    else if (RULE.test(line)) yield (lines.take(), make("hr"));
    else if (/^ {4}/.test(line)) yield indented(lines);
    else if (depth < MAX_DEPTH && QUOTE.test(line)) yield quote(lines, depth);
    else if (depth < MAX_DEPTH && ITEM.test(line)) yield list(lines, depth);
    else if (isTable(lines)) yield table(lines);
    else yield paragraph(lines, depth);
  }
}

/** @param {Lines} lines */
function fenced(lines) {
  const line = lines.take();
  const [opening = "", fence = "```"] = FENCE.exec(line) ?? [];
  const language = line.slice(opening.length).trim();
  const code = [];
  while (!lines.isOver) {
    const line = lines.take();
    const end = line.trim();
    if (end.length >= fence.length && end === (fence[0] ?? "`").repeat(end.length)) break;
    code.push(line);
  }
  return codeBlock(code, language);
}

/** @param {Lines} lines */
function indented(lines) {
  const code = [];
  while (!lines.isOver && (/^ {4}/.test(lines.peek()) || lines.peek().trim() === "")) {
    code.push(lines.take().slice(4));
  }
  while (code.at(-1)?.trim() === "") code.pop();
  return codeBlock(code, "");
}

/** @param {string[]} code @param {string} language */
function codeBlock(code, language) {
  const block = make("pre", { dir: "ltr", tabIndex: 0 }, make("code", {}, code.join("\n")));
  if (language) block.setAttribute("aria-label", language);
  return block;
}

/** @param {string} line */
function heading(line) {
  const [opening = "", marks = "#"] = HEADING.exec(line) ?? [];
  let text = line.slice(opening.length).trim();
  let end = text.length;
  while (text[end - 1] === "#") end -= 1;
  // Signs after it only decorate.
  if (end === 0 || text[end - 1] === " ") text = text.slice(0, end).trim();
  // Below the headings of the page.
  const level = Math.min(6, marks.length + 3);
  const element = make("p", { className: `mcp-result-h${Math.min(3, marks.length)}`, role: "heading" }, ...showInline(text));
  element.setAttribute("aria-level", String(level));
  return element;
}

/** @param {Lines} lines @param {number} depth */
function quote(lines, depth) {
  const inner = [];
  while (!lines.isOver && QUOTE.test(lines.peek())) inner.push(lines.take().replace(QUOTE, ""));
  return make("blockquote", {}, ...blocks(inner, depth + 1));
}

/** @param {Lines} lines @param {number} depth */
function list(lines, depth) {
  const [, , first = "-"] = ITEM.exec(lines.peek()) ?? [];
  const isOrdered = /\d/.test(first);
  const items = [];
  while (!lines.isOver) {
    const [mark = "", , sign = ""] = ITEM.exec(lines.peek()) ?? [];
    if (!mark || /\d/.test(sign) !== isOrdered || RULE.test(lines.peek())) break;
    items.push(item(lines, mark, depth));
  }
  if (!isOrdered) return make("ul", {}, ...items);
  return make("ol", { start: Number.parseInt(first, 10) }, ...items);
}

/**
 * @param {Lines} lines
 * @param {string} mark
 * @param {number} depth
 */
function item(lines, mark, depth) {
  const margin = mark.search(/\S/) + 2;
  const inner = [lines.take().slice(mark.length)];
  while (!lines.isOver) {
    const line = lines.peek();
    const indent = line.search(/\S/);
    const isBelow = indent >= margin;
    // A paragraph goes on without an indent, until something begins.
    const goesOn = indent >= 0 && lines.peek(-1).trim() !== "" && !ITEM.test(line) && !begins(line);
    const isGap = indent < 0 && lines.peek(1).search(/\S/) >= margin;
    if (!isBelow && !goesOn && !isGap) break;
    inner.push(isBelow ? lines.take().slice(Math.min(indent, mark.length)) : lines.take());
  }
  while (!lines.isOver && lines.peek().trim() === "" && ITEM.test(lines.peek(1))) lines.take();
  const [only, ...others] = [...blocks(inner, depth + 1)];
  if (only?.tagName === "P" && !only.hasAttribute("role") && others.every((one) => /^[UO]L$/.test(one.tagName))) {
    return make("li", {}, ...only.childNodes, ...others);
  }
  return make("li", {}, only, ...others);
}

/** @param {string} line */
function begins(line) {
  return FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line);
}

/** @param {Lines} lines */
function isTable(lines) {
  const next = lines.peek(1);
  if (!lines.peek().includes("|") || !next.includes("-") || next.length > 2000) return false;
  return TABLE_LINE.test(next) && cells(next).length === cells(lines.peek()).length;
}

/** @param {Lines} lines */
function table(lines) {
  const heads = cells(lines.take());
  const sides = cells(lines.take()).map(sideOf);
  const rows = [];
  while (!lines.isOver && lines.peek().includes("|")) rows.push(cells(lines.take()));
  const cell = (/** @type {"td" | "th"} */ tag) => (/** @type {string} */ text, /** @type {number} */ at) =>
    make(tag, { className: sides[at] ?? "" }, ...showInline(text));
  const body = rows.map((row) =>
    make("tr", {}, ...heads.map((_head, at) => cell("td")(row[at] ?? "", at))),
  );
  const head = make("thead", {}, make("tr", {}, ...heads.map(cell("th"))));
  const whole = make("table", {}, head, make("tbody", {}, ...body));
  return make("div", { className: "mcp-result-table", tabIndex: 0 }, whole);
}

/** @param {string} rule */
function sideOf(rule) {
  if (!rule.endsWith(":")) return "";
  return rule.startsWith(":") ? "mcp-result-middle" : "mcp-result-numbers";
}

/** @param {string} line */
function cells(line) {
  const inner = line.trim().replace(/^\|/, "").replace(/\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

/** @param {Lines} lines @param {number} depth */
function paragraph(lines, depth) {
  const text = [lines.take()];
  while (!lines.isOver) {
    const line = lines.peek();
    if (line.trim() === "" || begins(line) || isTable(lines)) break;
    if (depth < MAX_DEPTH && ITEM.test(line)) break;
    text.push(lines.take());
  }
  return make("p", {}, ...showInline(text.map((line) => line.trimStart()).join("\n")));
}
