/** What stands within a line of Markdown: emphasis, code, links. */

import { make } from "../dom.js";

const MAX_DEPTH = 12;

/** Signs around emphasized text, the longer first. */
const SIGNS = /** @type {const} */ ([
  ["**", "strong"],
  ["__", "strong"],
  ["~~", "s"],
  ["*", "em"],
  ["_", "em"],
]);

const URL_START = /https?:\/\/[^\s<>"'`]{1,2000}/y;
const TARGET = /\(\s*<?([^\s()<>]{1,2000}(?:\([^\s()<>]{0,500}\)[^\s()<>]{0,500})?)>?(?:\s+"[^"\n]{0,500}")?\s*\)/y;
const SPECIAL = /[\\`*_~[!<h\n]/g;

/**
 * Show the text of a paragraph.
 *
 * @param {string} text
 * @returns {(Node | string)[]}
 */
export function showInline(text) {
  return new Inline(text.trimEnd(), 0).read();
}

class Inline {
  /** @param {string} text @param {number} depth */
  constructor(text, depth) {
    this.text = text;
    this.depth = depth;
    this.at = 0;
    /** @type {(Node | string)[]} */
    this.nodes = [];
    /** Signs that do not come any more, so that none is looked for twice. */
    this.missing = new Set();
  }

  read() {
    const { text } = this;
    while (this.at < text.length) {
      SPECIAL.lastIndex = this.at;
      const next = SPECIAL.exec(text)?.index ?? text.length;
      if (next > this.at) this.#say(text.slice(this.at, next));
      this.at = next;
      if (next < text.length && !this.#special()) this.#say(text[this.at++] ?? "");
    }
    return this.nodes;
  }

  /** @param {string} words */
  #say(words) {
    const last = this.nodes.at(-1);
    if (typeof last === "string") this.nodes[this.nodes.length - 1] = last + words;
    else this.nodes.push(words);
  }

  /** @returns {boolean} Whether something of Markdown was here. */
  #special() {
    switch (this.text[this.at]) {
      case "\\":
        return this.#escape();
      case "\n":
        return this.#line();
      case "`":
        return this.#code();
      case "h":
        return this.#address();
      case "<":
        return this.#angle();
      case "!":
        return this.text[this.at + 1] === "[" && this.#link(2);
      case "[":
        return this.#link(1);
      default:
        return this.#emphasis();
    }
  }

  #escape() {
    const next = this.text[this.at + 1] ?? "";
    if (next === "\n") this.nodes.push(make("br"));
    else if (/[!-/:-@[-`{-~]/.test(next)) this.#say(next);
    else return false;
    this.at += 2;
    return true;
  }

  #line() {
    const before = this.nodes.at(-1);
    if (typeof before === "string" && before.endsWith("  ")) this.nodes.push(make("br"));
    else this.#say("\n");
    this.at += 1;
    return true;
  }

  #code() {
    const { text, at } = this;
    let size = 1;
    while (text[at + size] === "`") size += 1;
    const sign = "`".repeat(size);
    const end = this.#find(sign, at + size);
    if (end < 0) {
      this.#say(sign);
      this.at += size;
      return true;
    }
    const code = text.slice(at + size, end).replaceAll("\n", " ");
    const isPadded = code.startsWith(" ") && code.endsWith(" ") && code.trim() !== "";
    this.nodes.push(make("code", { dir: "ltr" }, isPadded ? code.slice(1, -1) : code));
    this.at = end + size;
    return true;
  }

  /** @param {string} sign @param {number} from */
  #find(sign, from) {
    if (this.missing.has(sign)) return -1;
    const end = this.text.indexOf(sign, from);
    if (end < 0) this.missing.add(sign);
    return end;
  }

  #emphasis() {
    const { text, at } = this;
    for (const [sign, tag] of SIGNS) {
      if (!text.startsWith(sign, at)) continue;
      const start = at + sign.length;
      const isInWord = sign[0] === "_" && /\w/.test(text[at - 1] ?? "");
      if (isInWord || /^(\s|$)/.test(text[start] ?? "") || this.depth >= MAX_DEPTH) return false;
      const end = this.#end(sign, start + 1);
      if (end < 0) continue;
      const inner = new Inline(text.slice(start, end), this.depth + 1).read();
      this.nodes.push(make(tag, {}, ...inner));
      this.at = end + sign.length;
      return true;
    }
    return false;
  }

  /**
   * Find where emphasis ends: not after a space, nor within a word for underscores.
   *
   * @param {string} sign
   * @param {number} from
   */
  #end(sign, from) {
    const { text } = this;
    for (let end = this.#find(sign, from), tries = 0; end >= 0 && tries < 20; tries += 1) {
      const isLonger = sign.length === 1 && (text[end + 1] === sign || text[end - 1] === sign);
      const isWord = sign[0] === "_" && /\w/.test(text[end + sign.length] ?? "");
      if (!/\s/.test(text[end - 1] ?? "") && !isLonger && !isWord) return end;
      end = this.#find(sign, end + (isLonger ? 2 : 1));
    }
    return -1;
  }

  #address() {
    URL_START.lastIndex = this.at;
    const [found = ""] = URL_START.exec(this.text) ?? [];
    const url = found.replace(/[.,;:!?)\]*_]+$/, "");
    if (!url || /\w/.test(this.text[this.at - 1] ?? "")) return false;
    this.nodes.push(linkTo(url, [url]));
    this.at += url.length;
    return true;
  }

  #angle() {
    const match = /^<((?:https?:\/\/|mailto:)[^\s<>]{1,2000})>/.exec(this.text.slice(this.at, this.at + 2010));
    if (!match?.[1]) return false;
    this.nodes.push(linkTo(match[1], [match[1]]));
    this.at += match[0].length;
    return true;
  }

  /** @param {number} size How many characters the opening sign has; an image has two. */
  #link(size) {
    const { text, at } = this;
    const start = at + size;
    if (this.depth >= MAX_DEPTH) return false;
    const end = this.#find("](", start);
    // A name is short; and one that has an opening bracket begins there.
    if (end < 0 || end - start > 1000) return false;
    const name = text.slice(start, end);
    if (name.includes("[") && size === 1 && !name.includes("![")) return false;
    TARGET.lastIndex = end + 1;
    const match = TARGET.exec(text);
    if (!match?.[1]) return false;
    const inner = new Inline(name, this.depth + 1);
    this.nodes.push(linkTo(match[1], size === 2 ? [name || match[1]] : inner.read()));
    this.at = TARGET.lastIndex;
    return true;
  }
}

/**
 * Make a link, where it leads to the web or to mail; otherwise show where it would lead.
 *
 * @param {string} url
 * @param {(Node | string)[]} children
 * @returns {Node}
 */
function linkTo(url, children) {
  if (!isSafe(url)) return make("span", {}, ...children, make("code", {}, ` (${url})`));
  return make("a", { href: url, title: url, target: "_blank", rel: "noopener noreferrer nofollow" }, ...children);
}

/** @param {string} url */
function isSafe(url) {
  return URL.canParse(url) && ["http:", "https:", "mailto:"].includes(new URL(url).protocol);
}
