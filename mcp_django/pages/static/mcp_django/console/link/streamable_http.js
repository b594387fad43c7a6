/** Streamable HTTP: each message is a post of its own, and its answer JSON or a stream. */

import { EventReader, eventsOf } from "./event_stream.js";
import { Lost, reasonIn, Refused } from "./protocol.js";

/**
 * @import {Message} from "./protocol.js"
 * @import {Post, Traffic} from "./traffic.js"
 * @typedef {object} Sending
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal] Ends it.
 */

const VIA = "Streamable HTTP";
const DEFAULT_RETRY_MS = 1000;
const MAX_RETURNS = 5;

/** Carries messages over Streamable HTTP, of either era. */
export class StreamableHTTP {
  #closing = new AbortController();

  /**
   * @param {object} options
   * @param {string} options.url
   * @param {Traffic} options.traffic
   * @param {string} [options.token] Instead of the login cookie.
   * @param {(message: Message) => void} options.onMessage
   */
  constructor({ url, traffic, token = "", onMessage }) {
    this.url = url;
    this.traffic = traffic;
    this.token = token;
    this.onMessage = onMessage;
    /** Of the session, once the server has named it. */
    this.sessionId = "";
    /** Of the session, once it is settled. */
    this.version = "";
  }

  async open() {}

  /**
   * Send a message, and hand over what comes as its answer.
   *
   * @param {Message} message
   * @param {Sending} [sending]
   * @throws {Refused} The server refuses it by a status of HTTP.
   * @throws {Lost} The server cannot be reached.
   */
  async send(message, { headers = {}, signal } = {}) {
    const post = this.#post("POST", {
      "Content-Type": "application/json",
      Accept: "application/json, text/event-stream",
      ...headers,
    });
    post.body = JSON.stringify(message);
    this.traffic.record({ direction: "out", via: VIA, message, post });
    const response = await this.#fetch(post, signal);
    this.sessionId = response.headers.get("Mcp-Session-Id") ?? this.sessionId;
    if (response.ok) await this.#read(response, message, signal);
    else await this.#readRefusal(response, message);
  }

  /**
   * Hold the stream for what belongs to no request, until the server ends it.
   *
   * @param {AbortSignal} signal
   */
  async hold(signal) {
    const response = await this.#get({}, signal);
    if (!response.ok) throw await this.#refusal(response);
    await this.#events(response, undefined, signal);
  }

  /** End the session, if there is one. */
  async end() {
    if (!this.sessionId) return;
    const post = this.#post("DELETE", {});
    this.traffic.record({ direction: "out", via: VIA, message: undefined, text: "DELETE", post });
    try {
      const response = await this.#fetch(post);
      this.#note(response.status, (await textOf(response)) || `HTTP ${response.status}`);
    } catch {
      // It is being left, and a server that is away has no session either.
    }
    this.sessionId = "";
  }

  /** End everything that is under way. */
  close() {
    this.#closing.abort();
  }

  /**
   * @param {string} method
   * @param {Record<string, string>} headers
   * @returns {Post}
   */
  #post(method, headers) {
    const more = /** @type {Record<string, string>} */ ({});
    if (this.sessionId) more["Mcp-Session-Id"] = this.sessionId;
    if (this.version) more["MCP-Protocol-Version"] = this.version;
    if (this.token) more.Authorization = `Bearer ${this.token}`;
    return { method, url: this.url, headers: { ...headers, ...more } };
  }

  /**
   * Open a stream.
   *
   * @param {Record<string, string>} headers
   * @param {AbortSignal} [signal]
   */
  #get(headers, signal) {
    const post = this.#post("GET", { Accept: "text/event-stream", ...headers });
    this.traffic.record({ direction: "out", via: VIA, message: undefined, text: "GET", post });
    return this.#fetch(post, signal);
  }

  /**
   * @param {Post} post
   * @param {AbortSignal} [signal]
   */
  async #fetch({ url, ...post }, signal) {
    const signals = signal ? [signal, this.#closing.signal] : [this.#closing.signal];
    try {
      return await fetch(url, {
        ...post,
        signal: AbortSignal.any(signals),
        credentials: this.token ? "omit" : "same-origin",
        cache: "no-store",
        redirect: "error",
      });
    } catch (error) {
      throw lost(error);
    }
  }

  /**
   * @param {Response} response
   * @param {Message} message
   * @param {AbortSignal} [signal]
   */
  async #read(response, message, signal) {
    const type = response.headers.get("Content-Type") ?? "";
    if (type.startsWith("text/event-stream")) {
      await this.#events(response, message, signal);
      return;
    }
    const text = await textOf(response);
    if (response.status !== 202) {
      for (const received of [parsed(text, response.status)].flat()) this.#take(received);
    }
  }

  /**
   * Read a stream; one that ends before the answer is taken up again where events have ids.
   *
   * @param {Response} response
   * @param {Message | undefined} request Whose answer it brings.
   * @param {AbortSignal} [signal]
   */
  async #events(response, request, signal) {
    const reader = new EventReader();
    let last = "";
    let isAnswered = false;
    let returns = 0;
    for (;;) {
      try {
        if (!response.body) return;
        for await (const event of eventsOf(response.body, reader)) {
          last = event.id ?? last;
          if (!event.data) continue;
          const message = /** @type {Message} */ (parsed(event.data, response.status));
          isAnswered ||= !("method" in message) && message.id === request?.id;
          returns = 0;
          this.#take(message);
        }
      } catch (error) {
        if (isAbort(error) || !last) throw lost(error);
      }
      if (!request || isAnswered || request.id === undefined || !last) return;
      returns += 1;
      if (returns > MAX_RETURNS) throw new Lost();
      await pause(reader.retry ?? DEFAULT_RETRY_MS, signal);
      response = await this.#get({ "Last-Event-ID": last }, signal);
      if (!response.ok) throw await this.#refusal(response);
    }
  }

  /**
   * @param {Response} response
   * @param {Message} message
   */
  async #readRefusal(response, message) {
    const refusal = await this.#refusal(response, message);
    if (refusal) throw refusal;
  }

  /**
   * Read a refusal; one that answers a request is handed over as its answer.
   *
   * @param {Response} response
   * @param {Message} [message]
   */
  async #refusal(response, message) {
    const text = await textOf(response);
    /** @type {any} */
    let answer;
    try {
      answer = JSON.parse(text);
    } catch {
      answer = undefined;
    }
    const { status } = response;
    this.traffic.record({ direction: "in", via: VIA, message: answer, text, status });
    const isAnswer = answer?.error && message?.id !== undefined && answer.id === message.id;
    if (isAnswer && status !== 401) {
      this.onMessage(answer);
      return undefined;
    }
    return new Refused(status, reasonIn(text));
  }

  /** @param {any} message */
  #take(message) {
    this.traffic.record({ direction: "in", via: VIA, message });
    this.onMessage(message);
  }

  /**
   * @param {number} status
   * @param {string} text
   */
  #note(status, text) {
    this.traffic.record({ direction: "in", via: VIA, message: undefined, text, status });
  }
}

/**
 * Parse what a server sent.
 *
 * @param {string} text
 * @param {number} status
 */
function parsed(text, status) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refused(status, text.slice(0, 200));
  }
}

/** @param {Response} response */
async function textOf(response) {
  try {
    return await response.text();
  } catch (error) {
    throw lost(error);
  }
}

/** @param {unknown} error */
export function isAbort(error) {
  return error instanceof DOMException && error.name === "AbortError";
}

/**
 * Give what is wrong with a connection, where it is not that we ended it.
 *
 * @param {unknown} error
 */
function lost(error) {
  return error instanceof TypeError ? new Lost(error.message) : error;
}

/**
 * Wait.
 *
 * @param {number} milliseconds
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
