/** The lists of what the server offers. */

import { field, make } from "../dom.js";
import { keyOf, KINDS, LISTS } from "../link/features.js";
import { theirs } from "../theirs.js";

/**
 * @import {Kind} from "../link/shares.js"
 * @import {Feature} from "../link/features.js"
 */

/** Shows lists, page by page, and lets one feature be chosen. */
export class FeaturesView {
  /** @type {Map<Kind, {features: Feature[], cursor: string | undefined}>} */
  #lists = new Map();
  #chosen = "";

  /**
   * @param {object} options
   * @param {Record<string, string>} options.texts
   * @param {(kind: Kind, feature: Feature) => void} options.onChoose
   * @param {(kind: Kind) => void} options.onMore
   */
  constructor({ texts, onChoose, onMore }) {
    this.texts = texts;
    this.onChoose = onChoose;
    this.onMore = onMore;
    this.filter = make("input", { type: "search", oninput: () => this.#show() });
    this.lists = make("div", { className: "mcp-lists" });
    this.element = make(
      "nav",
      { className: "mcp-card mcp-browse", "aria-labelledby": "mcp-features" },
      make("h2", { id: "mcp-features" }, texts.title),
      field(texts.filter, this.filter),
      this.lists,
    );
    this.clear();
  }

  /** Show that there is no connection. */
  clear() {
    this.#lists.clear();
    this.#show();
  }

  /**
   * Show a page of a list.
   *
   * @param {Kind} kind
   * @param {any} result Of the list's method.
   * @param {boolean} goesOn Whether it follows the pages that are shown.
   */
  add(kind, result, goesOn) {
    const before = goesOn ? (this.#lists.get(kind)?.features ?? []) : [];
    const found = result?.[LISTS[kind].member];
    const features = [...before, ...(Array.isArray(found) ? found : [])];
    this.#lists.set(kind, { features, cursor: result?.nextCursor });
    this.#show();
  }

  /**
   * Find a feature that is listed.
   *
   * @param {Kind} kind
   * @param {string} key
   */
  find(kind, key) {
    return this.#lists.get(kind)?.features.find((feature) => keyOf(kind, feature) === key);
  }

  /** Where the next page of a list begins. @param {Kind} kind */
  cursorOf(kind) {
    return this.#lists.get(kind)?.cursor;
  }

  /**
   * Mark one as chosen.
   *
   * @param {Kind} kind
   * @param {Feature} feature
   */
  choose(kind, feature) {
    this.#chosen = `${kind} ${keyOf(kind, feature)}`;
    this.#show();
    this.onChoose(kind, feature);
  }

  #show() {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.key;
    const shown = KINDS.filter((kind) => this.#lists.has(kind)).map((kind) => this.#list(kind));
    this.filter.disabled = shown.length === 0;
    this.lists.replaceChildren(
      ...(shown.length ? shown : [make("p", { className: "mcp-quiet" }, this.texts.unconnected)]),
    );
    if (!focused) return;
    for (const button of this.lists.querySelectorAll("button")) {
      if (button.dataset.key === focused) button.focus();
    }
  }

  /** @param {Kind} kind */
  #list(kind) {
    const { features = [], cursor } = this.#lists.get(kind) ?? {};
    const words = this.filter.value.toLowerCase();
    const shown = features.filter(
      (feature) => `${feature.title ?? ""} ${feature.name} ${keyOf(kind, feature)}`.toLowerCase().includes(words),
    );
    const empty = features.length ? this.texts.filtered : this.texts.none;
    return make(
      "section",
      {},
      make("h3", {}, `${this.texts[kind]} `, make("span", { className: "mcp-quiet" }, `${features.length}${cursor ? "+" : ""}`)),
      shown.length
        ? make("ul", {}, ...shown.map((feature) => make("li", {}, this.#button(kind, feature))))
        : make("p", { className: "mcp-quiet mcp-small" }, empty),
      cursor &&
        make(
          "button",
          { type: "button", className: "mcp-link", onclick: () => this.onMore(kind) },
          this.texts.more,
        ),
    );
  }

  /**
   * @param {Kind} kind
   * @param {Feature} feature
   */
  #button(kind, feature) {
    const key = `${kind} ${keyOf(kind, feature)}`;
    const button = make(
      "button",
      {
        type: "button",
        className: "mcp-link",
        "aria-current": key === this.#chosen ? "true" : undefined,
        onclick: () => this.choose(kind, feature),
      },
      theirs(feature.title || feature.name || keyOf(kind, feature)),
    );
    button.dataset.key = key;
    return button;
  }
}
