/** The panel of messages, in both directions, as they come. */

import { field, make } from "../dom.js";
import { asCurl } from "../link/curl.js";
import { format, number } from "../texts.js";
import { theirs } from "../theirs.js";
import { copy } from "./clipboard.js";

/**
 * @import {Entry, Traffic} from "../link/traffic.js"
 */

const MAX_SHOWN = 100_000;

/** Shows what was sent and received. */
export class TrafficView {
  /** @type {Map<number, HTMLElement>} */
  #shown = new Map();
  #isDue = false;

  /**
   * @param {object} options
   * @param {Record<string, string>} options.texts
   * @param {Traffic} options.traffic
   */
  constructor({ texts, traffic }) {
    this.texts = texts;
    this.traffic = traffic;
    const rebuild = () => {
      this.#shown.clear();
      this.list.replaceChildren();
      this.#show();
    };
    this.filter = make("input", { type: "search", oninput: rebuild });
    this.direction = make(
      "select",
      { onchange: rebuild },
      make("option", { value: "" }, texts.all),
      make("option", { value: "out" }, texts.sent),
      make("option", { value: "in" }, texts.received),
    );
    this.count = make("p", { className: "mcp-quiet mcp-small" });
    this.list = make("ol", { className: "mcp-messages", tabIndex: 0, "aria-labelledby": "mcp-messages" });
    this.element = make(
      "section",
      { className: "mcp-card", "aria-labelledby": "mcp-messages" },
      make(
        "div",
        { className: "mcp-heading" },
        make("h2", { id: "mcp-messages" }, texts.title),
        make("button", { type: "button", className: "mcp-second", onclick: () => traffic.clear() }, texts.clear),
      ),
      make(
        "div",
        { className: "mcp-filters" },
        field(texts.filter, this.filter),
        field(texts.direction, this.direction),
      ),
      this.count,
      this.list,
    );
    traffic.addEventListener("change", () => this.#later());
    this.#show();
  }

  #later() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#show();
    });
  }

  #show() {
    const { texts, traffic } = this;
    const entries = traffic.find({ text: this.filter.value, direction: this.direction.value });
    const wanted = new Set(entries.map(({ number }) => number));
    for (const [number, element] of this.#shown) {
      if (wanted.has(number)) continue;
      element.remove();
      this.#shown.delete(number);
    }
    const isAtEnd = this.list.scrollTop + this.list.clientHeight >= this.list.scrollHeight - 40;
    for (const entry of entries) {
      if (this.#shown.has(entry.number)) continue;
      const element = this.#entry(entry);
      this.#shown.set(entry.number, element);
      this.list.append(element);
    }
    if (isAtEnd) this.list.scrollTop = this.list.scrollHeight;
    const count = traffic.entries.length;
    const words = count ? format(texts.count, { shown: entries.length, count }) : texts.none;
    this.count.textContent = traffic.dropped ? `${words} ${texts.dropped}` : words;
  }

  /** @param {Entry} entry */
  #entry(entry) {
    const { direction, via, text, time } = entry;
    const arrow = make("span", { className: `mcp-${direction}` }, direction === "out" ? "→" : "←");
    arrow.setAttribute("role", "img");
    arrow.setAttribute("aria-label", direction === "out" ? this.texts.sent : this.texts.received);
    const body = make("div", {});
    const details = make(
      "details",
      {
        // Most are never looked at.
        ontoggle: () => {
          if (details.open && !body.hasChildNodes()) body.append(...this.#inside(entry));
        },
      },
      make(
        "summary",
        {},
        make("time", { dateTime: time.toISOString() }, clock(time)),
        " ",
        arrow,
        " ",
        make("span", { className: "mcp-what" }, theirs(this.#title(entry))),
        " ",
        make("span", { className: "mcp-quiet" }, `${via} · ${bytes(text)}`),
      ),
      body,
    );
    if (entry.status || entry.message?.error) details.classList.add("mcp-failed");
    return make("li", {}, details);
  }

  /** @param {Entry} entry */
  #inside({ message, text, post }) {
    const pretty = message === undefined ? text : JSON.stringify(message, null, 2);
    const shown = pretty.length > MAX_SHOWN ? `${pretty.slice(0, MAX_SHOWN)}…` : pretty;
    const parts = [];
    if (post) {
      const { method, url, headers } = post;
      const visible = Object.entries(headers).map(([name, value]) =>
        name === "Authorization" ? `${name}: …` : `${name}: ${value}`,
      );
      parts.push(make("pre", { className: "mcp-quiet", tabIndex: 0 }, [`${method} ${url}`, ...visible].join("\n")));
    }
    parts.push(make("pre", { tabIndex: 0 }, shown));
    if (post) parts.push(this.#curlButton(asCurl(post)));
    return parts;
  }

  /** @param {string} command */
  #curlButton(command) {
    const said = make("span", { role: "status" });
    const shown = make("div", {});
    return make(
      "div",
      {},
      make(
        "button",
        {
          type: "button",
          className: "mcp-second mcp-copy",
          onclick: async () => {
            const isCopied = await copy(command);
            said.textContent = isCopied ? this.texts.copied : this.texts.uncopied;
            shown.replaceChildren(...(isCopied ? [] : [make("pre", { tabIndex: 0 }, command)]));
          },
        },
        this.texts.curl,
      ),
      " ",
      said,
      shown,
    );
  }

  /** @param {Entry} entry */
  #title({ message, text, status, direction, number }) {
    const code = status ? format(this.texts.httpStatus, { status }) : "";
    if (Array.isArray(message)) return `[${message.length}]`;
    if (message?.method) return message.method;
    if (!message) return code || text.slice(0, 80);
    const asked = this.traffic.entries.findLast(
      (entry) =>
        entry.number < number && entry.direction !== direction && entry.message?.id === message.id && entry.message?.method,
    );
    const kind = message.error ? `${this.texts.error} ${message.error.code}` : this.texts.result;
    return [code, kind, asked?.message?.method].filter(Boolean).join(" · ");
  }
}

/** @param {Date} time */
function clock(time) {
  const milliseconds = String(time.getMilliseconds()).padStart(3, "0");
  return `${time.toLocaleTimeString("en-GB")}.${milliseconds}`;
}

/** @param {string} text */
function bytes(text) {
  return text.length < 1000 ? `${text.length} B` : `${number(text.length / 1000, 1)} kB`;
}
