/** What the server tells by itself: its log, and changes. */

import { make } from "../dom.js";
import { format } from "../texts.js";
import { theirs } from "../theirs.js";

const MAX_NOTICES = 200;

/** Shows notices, newest first. */
export class NoticesView {
  /** @param {Record<string, string>} texts */
  constructor(texts) {
    this.texts = texts;
    this.list = make("ol", {});
    const log = make("div", { className: "mcp-notices", role: "log", "aria-labelledby": "mcp-notices", tabIndex: 0 }, this.list);
    this.empty = make("p", { className: "mcp-quiet" }, texts.noNotices);
    this.element = make(
      "section",
      { className: "mcp-card", "aria-labelledby": "mcp-notices" },
      make(
        "div",
        { className: "mcp-heading" },
        make("h2", { id: "mcp-notices" }, texts.notices),
        make("button", { type: "button", className: "mcp-second", onclick: () => this.#clear() }, texts.clear),
      ),
      this.empty,
      log,
    );
  }

  /**
   * Show a log message.
   *
   * @param {any} params Of the notification.
   */
  log({ level, logger, data }) {
    const text = typeof data === "string" ? data : (JSON.stringify(data) ?? "");
    const head = logger ? `${level} · ${logger}` : String(level);
    this.#add(make("span", { className: `mcp-level mcp-level-${String(level).replace(/\W/g, "")}` }, theirs(head)), text);
  }

  /**
   * Show a change.
   *
   * @param {string} text With values in braces.
   * @param {Record<string, string>} values
   */
  change(text, values) {
    this.#add(undefined, format(text, values));
  }

  /**
   * @param {HTMLElement | undefined} head
   * @param {string} text
   */
  #add(head, text) {
    const time = new Date();
    this.empty.hidden = true;
    this.list.prepend(
      make("li", {}, make("time", { dateTime: time.toISOString() }, time.toLocaleTimeString("en-GB")), " ", head, " ", theirs(text)),
    );
    if (this.list.children.length > MAX_NOTICES) this.list.lastChild?.remove();
  }

  #clear() {
    this.list.replaceChildren();
    this.empty.hidden = false;
  }
}
