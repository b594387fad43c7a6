/** The card in which one chooses how to connect, and sees how that goes. */

import { add, field, make } from "../dom.js";
import { versionsOf } from "../link/link.js";
import { LOG_LEVELS } from "../link/protocol.js";
import { format } from "../texts.js";
import { theirs } from "../theirs.js";

/**
 * @import {Binding} from "../link/protocol.js"
 * @typedef {{binding: Binding, version: string, token: string}} Choice
 * @typedef {"closed" | "opening" | "open" | "away" | "unopened" | "ended" | "loggedOut" | "session" | "refused"} State
 */

const BINDINGS = /** @type {Binding[]} */ (["streamable-http", "sse", "websocket"]);

/** Shows the connection. */
export class ConnectionView {
  #isBusy = false;

  /**
   * @param {object} options
   * @param {any} options.known What the page brought.
   * @param {(choice: Choice) => void} options.onConnect
   * @param {() => void} options.onDisconnect
   * @param {(level: string) => void} options.onLogLevel
   * @param {() => void} options.onPing
   * @param {() => string} options.loginUrl Where one logs in and comes back.
   */
  constructor({ known, onConnect, onDisconnect, onLogLevel, onPing, loginUrl }) {
    const texts = known.texts.connection;
    this.known = known;
    this.texts = texts;
    this.loginUrl = loginUrl;
    this.binding = make(
      "select",
      { onchange: () => this.#offerVersions() },
      ...BINDINGS.map((value) => make("option", { value }, texts[value])),
    );
    this.version = make("select", {});
    this.token = make("input", { type: "password", autocomplete: "off", spellcheck: false });
    this.tokenField = make(
      "details",
      { className: "mcp-token", open: !known.takesCookies },
      make("summary", {}, texts.token),
      field(texts.token, this.token, texts.tokenHint),
    );
    this.connect = make("button", { type: "submit" }, texts.connect);
    this.disconnect = make(
      "button",
      { type: "button", className: "mcp-second", onclick: onDisconnect },
      texts.disconnect,
    );
    this.logLevel = make(
      "select",
      { onchange: () => onLogLevel(this.logLevel.value) },
      ...["", ...LOG_LEVELS].map((value) => make("option", { value }, value || texts.noLog)),
    );
    this.ping = make(
      "button",
      { type: "button", className: "mcp-second", onclick: onPing },
      texts.ping,
    );
    this.status = make("div", { role: "status", className: "mcp-status" });
    this.about = make("div", {});
    const form = make(
      "form",
      {
        className: "mcp-connect",
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          onConnect(this.choice);
        },
      },
      field(texts.binding, this.binding),
      field(texts.version, this.version),
      field(texts.logLevel, this.logLevel),
      make("div", { className: "mcp-actions" }, this.connect, this.disconnect, this.ping),
      this.tokenField,
    );
    this.element = make(
      "section",
      { className: "mcp-card", "aria-labelledby": "mcp-connection" },
      make("h2", { id: "mcp-connection" }, texts.title),
      !known.takesCookies && make("p", { className: "mcp-notice mcp-warning" }, texts.noCookies),
      form,
      this.status,
      this.about,
    );
    this.#offerVersions();
    this.show("closed");
  }

  /** @returns {Choice} */
  get choice() {
    return {
      binding: /** @type {Binding} */ (this.binding.value),
      version: this.version.value,
      token: this.binding.value === "streamable-http" ? this.token.value.trim() : "",
    };
  }

  /**
   * Show how the connection is.
   *
   * @param {State} state
   * @param {string} [detail] What the server said.
   */
  show(state, detail = "") {
    const isBusy = state === "open" || state === "opening";
    this.binding.disabled = this.version.disabled = this.token.disabled = isBusy;
    this.connect.hidden = isBusy;
    this.disconnect.hidden = !isBusy;
    this.ping.hidden = state !== "open";
    this.#isBusy = isBusy;
    this.#showToken();
    const wasLost = !isBusy && state !== "closed";
    this.connect.textContent = wasLost ? this.texts.again : this.texts.connect;
    const text = format(this.texts[state], { user: this.known.user, reason: detail });
    this.status.replaceChildren(
      make("p", { className: `mcp-notice mcp-state-${state}${wasLost ? " mcp-warning" : ""}` }, theirs(text)),
    );
    if (state === "loggedOut" && this.known.loginUrl) {
      const link = make("a", { className: "mcp-button", href: this.loginUrl() }, this.texts.login);
      add(this.status, make("p", { className: "mcp-actions" }, link));
    }
    if (state !== "open") this.about.replaceChildren();
  }

  /**
   * Show what the server says of itself.
   *
   * @param {any} server
   */
  showServer({ instructions, capabilities, serverInfo }) {
    this.about.replaceChildren(
      make(
        "details",
        {},
        make("summary", {}, this.texts.capabilities),
        make("pre", { tabIndex: 0 }, JSON.stringify({ serverInfo, capabilities }, null, 2)),
      ),
    );
    if (typeof instructions === "string" && instructions) {
      this.about.prepend(
        make(
          "details",
          {},
          make("summary", {}, this.texts.instructions),
          make("p", {}, theirs(instructions)),
        ),
      );
    }
  }

  /** Say how long a ping took. @param {string} milliseconds */
  showPing(milliseconds) {
    this.status.querySelector(".mcp-pong")?.remove();
    const text = format(this.texts.pong, { milliseconds });
    add(this.status, make("p", { className: "mcp-quiet mcp-pong" }, text));
  }

  #showToken() {
    this.tokenField.hidden = this.#isBusy || this.binding.value !== "streamable-http";
  }

  #offerVersions() {
    const before = this.version.value;
    const versions = versionsOf(/** @type {Binding} */ (this.binding.value), this.known.versions);
    this.version.replaceChildren(...versions.map((value) => make("option", { value }, value)));
    if (versions.includes(before)) this.version.value = before;
    this.#showToken();
  }
}
