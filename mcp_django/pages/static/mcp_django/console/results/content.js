/** What a server answered, shown: whole results, messages and blocks of content. */

import { add, make } from "../dom.js";
import { isObject } from "../json.js";
import { format, textOf } from "../texts.js";
import { theirs } from "../theirs.js";
import { showBlob, showMedia } from "./media.js";
import { showValue } from "./structured.js";
import { showText } from "./text.js";

/**
 * @typedef {object} Showing
 * @property {Record<string, string>} texts
 * @property {(uri: string) => void} [onResource] Follows a link to a resource.
 */

const MAX_DEPTH = 8;

/** Members of results that are shown by themselves. */
const KNOWN = new Set([
  ...["content", "structuredContent", "isError", "contents", "messages", "description"],
  ...["resultType", "role", "code", "message", "data"],
]);

/**
 * Show what a server answered.
 *
 * Nothing of it is run, and nothing is fetched: images and sounds are those in the answer.
 *
 * @param {any} content The result of `tools/call`, `resources/read` or `prompts/get`; an error
 *   with its code; a message with a role; one block of content; or a list of these.
 * @param {Showing} showing
 * @returns {HTMLElement}
 */
export function showContent(content, showing) {
  const element = make("div", { className: "mcp-result" });
  add(element, ...shown(content, showing, 0));
  if (!element.childNodes.length) {
    add(element, make("p", { className: "mcp-quiet" }, format(showing.texts.empty)));
  }
  return element;
}

/**
 * @param {any} content
 * @param {Showing} showing
 * @param {number} depth
 * @returns {Generator<HTMLElement>}
 */
function* shown(content, showing, depth) {
  if (depth > MAX_DEPTH) {
    yield showValue(content, showing.texts);
  } else if (Array.isArray(content)) {
    for (const one of content) yield* shown(one, showing, depth + 1);
  } else if (!isObject(content)) {
    yield showValue(content, showing.texts);
  } else if (typeof content.type === "string" && !("content" in content && content.role)) {
    yield showBlock(content, showing, depth);
  } else if (typeof content.code === "number" && typeof content.message === "string") {
    yield showError(content, showing);
  } else {
    yield* ofResult(content, showing, depth);
  }
}

/**
 * @param {Record<string, any>} result
 * @param {Showing} showing
 * @param {number} depth
 * @returns {Generator<HTMLElement>}
 */
function* ofResult(result, showing, depth) {
  const { texts } = showing;
  if (result.isError === true) {
    const text = format(texts.is_error);
    yield make("p", { className: "mcp-notice mcp-bad", role: "alert" }, text);
  }
  if (typeof result.description === "string") yield make("p", { dir: "auto" }, result.description);
  const { structuredContent } = result;
  if (structuredContent !== undefined) {
    yield titled(texts.structured, showValue(structuredContent, texts));
  }
  for (const block of [result.content].flat()) {
    if (block === undefined) continue;
    if (structuredContent !== undefined && isSameJson(block, structuredContent)) {
      yield folded(format(texts.same_text), () => showBlock(block, showing, depth));
    } else {
      yield* shown(block, showing, depth + 1);
    }
  }
  for (const one of list(result.contents)) yield showResource(one, showing);
  for (const message of list(result.messages)) yield showMessage(message, showing, depth);
  const rest = Object.entries(result).filter(([name]) => !KNOWN.has(name));
  if (rest.length) {
    yield folded(format(texts.more), () => showValue(Object.fromEntries(rest), texts));
  }
}

/** @param {unknown} value @returns {any[]} */
function list(value) {
  return Array.isArray(value) ? value : value === undefined ? [] : [value];
}

/**
 * Say whether a block only has the structured content as text, for older clients.
 *
 * @param {any} block
 * @param {unknown} structured
 */
function isSameJson(block, structured) {
  if (!isObject(block) || typeof block.text !== "string") return false;
  try {
    const text = JSON.stringify(structured);
    if (block.text.length > 4 * text.length + 1000) return false;
    return JSON.stringify(JSON.parse(block.text)) === text;
  } catch {
    // No JSON, or too deep to be written.
    return false;
  }
}

/**
 * @param {Record<string, any>} block
 * @param {Showing} showing
 * @param {number} depth
 * @returns {HTMLElement}
 */
function showBlock(block, showing, depth) {
  const { texts } = showing;
  const element = make("div", { className: "mcp-result-block" });
  const known = inside(block, showing, depth);
  if (known) add(element, known);
  else add(element, titled(texts.unknown, showValue(block, texts)));
  const notes = annotationsOf(block.annotations, texts);
  if (notes) add(element, make("p", { className: "mcp-quiet mcp-small" }, theirs(notes)));
  return element;
}

/**
 * Show a block by its type; undefined for what is not written as the protocol wants.
 *
 * @param {Record<string, any>} block
 * @param {Showing} showing
 * @param {number} depth
 * @returns {HTMLElement | undefined}
 */
function inside(block, showing, depth) {
  const { texts } = showing;
  switch (block.type) {
    case "text":
      return typeof block.text === "string" ? showText(block.text, texts) : undefined;
    case "image":
    case "audio":
      return typeof block.data === "string"
        ? showMedia(block.data, textOf(block.mimeType), texts)
        : undefined;
    case "resource":
      return isObject(block.resource) ? showResource(block.resource, showing) : undefined;
    case "resource_link":
      return typeof block.uri === "string" ? showLink(block, showing) : undefined;
    case "tool_use":
      return titled(format(texts.tool_use, { name: block.name }), showValue(block.input, texts));
    case "tool_result": {
      const { type, toolUseId, ...result } = block;
      return titled(format(texts.tool_result), ...ofResult(result, showing, depth + 1));
    }
    default:
      return undefined;
  }
}

/** @param {any} annotations @param {Record<string, string>} texts */
function annotationsOf(annotations, texts) {
  if (!isObject(annotations)) return "";
  const { audience, priority, lastModified } = annotations;
  const notes = [];
  if (Array.isArray(audience)) notes.push(format(texts.audience, { audience: audience.map(textOf).join(", ") }));
  if (priority !== undefined) notes.push(format(texts.priority, { priority }));
  if (lastModified !== undefined) notes.push(format(texts.modified, { date: lastModified }));
  return notes.join(" · ");
}

/**
 * @param {any} resource With its `text` or `blob`.
 * @param {Showing} showing
 * @returns {HTMLElement}
 */
function showResource(resource, { texts }) {
  if (!isObject(resource)) return showValue(resource, texts);
  const { uri, mimeType, text, blob } = resource;
  const type = typeof mimeType === "string" ? mimeType : "";
  const head = make(
    "p",
    { className: "mcp-result-uri mcp-small" },
    make("code", {}, theirs(uri)),
    // Of bytes it is said below them.
    typeof blob !== "string" && type && make("span", { className: "mcp-quiet" }, " ", theirs(type)),
  );
  const element = make("div", { className: "mcp-result-resource" }, head);
  if (typeof text === "string") add(element, showText(text, texts, type));
  else if (typeof blob === "string") add(element, showBlob(blob, type, textOf(uri), texts));
  else add(element, showValue(resource, texts));
  return element;
}

/**
 * @param {Record<string, any>} link
 * @param {Showing} showing
 * @returns {HTMLElement}
 */
function showLink(link, { texts, onResource }) {
  const { uri, name, title, description, mimeType, size } = link;
  const facts = [mimeType, size !== undefined && format(texts.bytes, { size })].filter(Boolean);
  const read = onResource && make(
    "button",
    { type: "button", className: "mcp-second mcp-result-button", onclick: () => onResource(uri) },
    format(texts.read),
  );
  read?.setAttribute("aria-label", format(texts.read_one, { name: title ?? name ?? uri }));
  return make(
    "div",
    { className: "mcp-result-link" },
    make("p", { className: "mcp-result-name" }, theirs(title ?? name ?? uri)),
    description && make("p", {}, theirs(description)),
    make("p", { className: "mcp-small" }, make("code", {}, theirs(uri)), " ",
      make("span", { className: "mcp-quiet" }, theirs(facts.map(textOf).join(", ")))),
    read,
  );
}

/**
 * @param {any} message
 * @param {Showing} showing
 * @param {number} depth
 * @returns {HTMLElement}
 */
function showMessage(message, showing, depth) {
  if (!isObject(message)) return showValue(message, showing.texts);
  const parts = list(message.content).flatMap((one) => [...shown(one, showing, depth + 1)]);
  return make(
    "div",
    { className: "mcp-result-message" },
    make("p", { className: "mcp-result-role" }, theirs(message.role)),
    ...parts,
  );
}

/** @param {Record<string, any>} error @param {Showing} showing */
function showError({ code, message, data }, { texts }) {
  return make(
    "div",
    { className: "mcp-notice mcp-bad", role: "alert" },
    make("p", {}, format(texts.error, { code }), " ", theirs(message)),
    data !== undefined && showValue(data, texts),
  );
}

/** @param {string | undefined} title @param {...HTMLElement} children */
function titled(title, ...children) {
  const name = make("p", { className: "mcp-result-title" }, title ?? "");
  return make("div", { className: "mcp-result-part" }, name, ...children);
}

/**
 * Show something when the reader opens it.
 *
 * @param {string} title
 * @param {() => HTMLElement} show
 */
function folded(title, show) {
  const details = make("details", { className: "mcp-result-fold" }, make("summary", {}, title));
  details.addEventListener("toggle", () => details.append(show()), { once: true });
  return details;
}
