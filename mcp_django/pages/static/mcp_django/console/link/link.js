/** The connection of a page to the endpoint: one binding, one version. */

import { LegacyLink } from "./legacy.js";
import { ModernLink } from "./modern.js";
import { isModern, Lost, MODERN, modernHeaders, modernRequest, Refused } from "./protocol.js";
import { SSECarrier } from "./sse.js";
import { StreamableHTTP } from "./streamable_http.js";
import { WebSocketCarrier } from "./websocket.js";

/**
 * @import {Binding, Message} from "./protocol.js"
 * @import {Progress} from "./pending.js"
 * @import {Traffic} from "./traffic.js"
 *
 * @typedef {object} Hears What hears of what the server does by itself.
 * @property {(method: string, params: any, signal: AbortSignal) => Promise<object>} onQuestion
 *   Answers a question; may throw `QuestionRefused`.
 * @property {(method: string, params: any) => void} onNotice
 * @property {(method: string, error: unknown) => void} onFault What we asked for by ourselves
 *   failed, and the connection goes on.
 * @property {(reason: unknown) => void} onLost The connection has ended, by the server.
 *
 * @typedef {object} Wanted
 * @property {Binding} binding
 * @property {string} version
 * @property {string} url Of the endpoint.
 * @property {string} [token]
 * @property {Traffic} traffic
 * @property {Hears} hears
 *
 * @typedef {object} Asking How a request is sent.
 * @property {AbortSignal} [signal] Cancels it.
 * @property {(progress: Progress) => void} [onProgress]
 * @property {unknown} [schema] Of the tool that is called.
 *
 * @typedef {ModernLink | LegacyLink} Link
 */

/**
 * Say which versions a binding carries, newest first.
 *
 * @param {Binding} binding
 * @param {{modern: string[], legacy: string[]}} versions
 */
export function versionsOf(binding, { modern, legacy }) {
  return binding === "sse" ? legacy : [...modern, ...legacy];
}

/**
 * Make a connection; `connect` opens it.
 *
 * @param {Wanted} wanted
 * @returns {Link}
 */
export function makeLink({ binding, version, url, token, traffic, hears }) {
  const onMessage = (/** @type {Message} */ message) => link.receive(message);
  const onEnd = (/** @type {Lost} */ lost) => link.end(lost);
  const carrier = makeCarrier();
  /** @type {Link} */
  const link = isModern(version)
    ? new ModernLink({ carrier, version, hears })
    : new LegacyLink({ carrier, version, hears });
  return link;

  function makeCarrier() {
    switch (binding) {
      case "sse":
        return new SSECarrier({ url: `${url.replace(/\/$/, "")}/sse`, traffic, onMessage, onEnd });
      case "websocket":
        return new WebSocketCarrier({ url: url.replace(/^http/, "ws"), traffic, onMessage, onEnd });
      default:
        return new StreamableHTTP({ url, traffic, token, onMessage });
    }
  }
}

/**
 * Find out why a connection ended or could not be made, which browsers do not tell.
 *
 * @param {unknown} error What is known.
 * @param {string} url Of the endpoint.
 * @param {boolean} usesCookies Whether the login to the site is what counts.
 * @returns {Promise<{kind: "away" | "loggedOut" | "ended" | "session" | "refused", detail: string}>}
 */
export async function reasonOf(error, url, usesCookies) {
  if (error instanceof Refused && error.status !== 401) {
    if (error.status === 404) return { kind: "session", detail: error.message };
    return { kind: "refused", detail: error.message || `HTTP ${error.status}` };
  }
  if (!(error instanceof Lost || error instanceof Refused)) {
    return { kind: "refused", detail: error instanceof Error ? error.message : String(error) };
  }
  if (!usesCookies) {
    return error instanceof Lost
      ? { kind: "away", detail: error.message }
      : { kind: "refused", detail: error.message || "HTTP 401" };
  }
  return { kind: await stateOf(url), detail: error.message };
}

/**
 * Ask the server whether it is there, and still knows us.
 *
 * @param {string} url
 */
async function stateOf(url) {
  const message = modernRequest(0, "server/discover", {}, MODERN);
  try {
    const { status } = await fetch(url, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        Accept: "application/json, text/event-stream",
        ...modernHeaders(message, MODERN),
      },
      body: JSON.stringify(message),
      cache: "no-store",
    });
    if (status === 401) return "loggedOut";
    return status >= 500 ? "away" : "ended";
  } catch {
    return "away";
  }
}
