/** The legacy era: a session that `initialize` opens, in which the server may ask, too. */

import { Pending } from "./pending.js";
import { capabilitiesOf, CLIENT, Lost, Refused } from "./protocol.js";
import { QUESTIONS } from "./questions.js";
import { StreamableHTTP } from "./streamable_http.js";

/**
 * @import {Message, Id} from "./protocol.js"
 * @import {Asking} from "./link.js"
 * @import {WebSocketCarrier} from "./websocket.js"
 * @import {SSECarrier} from "./sse.js"
 * @import {Hears} from "./link.js"
 */

/** Speaks the versions up to 2025-11-25 over any carrier. */
export class LegacyLink {
  #pending = new Pending();
  #isClosed = false;
  /** Questions that wait for the user. @type {Map<Id, AbortController>} */
  #questions = new Map();
  #leaving = new AbortController();

  /**
   * @param {object} options
   * @param {StreamableHTTP | WebSocketCarrier | SSECarrier} options.carrier
   * @param {string} options.version
   * @param {Hears} options.hears
   */
  constructor({ carrier, version, hears }) {
    this.carrier = carrier;
    this.version = version;
    this.hears = hears;
    /** What the server says of itself. @type {any} */
    this.server = {};
  }

  /** Open the connection and the session. */
  async connect() {
    await this.carrier.open();
    this.server = await this.request("initialize", {
      protocolVersion: this.version,
      capabilities: capabilitiesOf(this.version),
      clientInfo: CLIENT,
    });
    this.version = this.server.protocolVersion;
    if (this.carrier instanceof StreamableHTTP) this.carrier.version = this.version;
    await this.#notify("notifications/initialized");
    if (this.carrier instanceof StreamableHTTP) this.#hold(this.carrier);
  }

  /**
   * Send a request.
   *
   * @param {string} method
   * @param {Record<string, any>} params
   * @param {Asking} [asking]
   * @returns {Promise<any>} The result.
   */
  async request(method, params, { signal, onProgress } = {}) {
    signal?.throwIfAborted();
    const id = this.#pending.nextId();
    const meta = onProgress ? { _meta: { ...params._meta, progressToken: id } } : {};
    const answer = this.#pending.wait(id, onProgress);
    const cancel = () => this.#cancel(id, signal?.reason);
    signal?.addEventListener("abort", cancel);
    this.carrier.send({ jsonrpc: "2.0", id, method, params: { ...params, ...meta } }).then(
      () => {
        // Over Streamable HTTP nothing can come any more.
        if (this.carrier instanceof StreamableHTTP) this.#pending.fail(id, new Lost());
      },
      (error) => this.#failed(id, error),
    );
    try {
      return await answer;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  /** Ask whether the server answers. */
  async ping() {
    await this.request("ping", {});
  }

  /**
   * Want to be told when a resource changes, or no longer.
   *
   * @param {string} uri
   * @param {boolean} isWanted
   */
  async subscribe(uri, isWanted) {
    await this.request(isWanted ? "resources/subscribe" : "resources/unsubscribe", { uri });
  }

  /**
   * Want log messages from a level on.
   *
   * @param {string} level
   */
  async setLogLevel(level) {
    if (level && this.server.capabilities?.logging) {
      await this.request("logging/setLevel", { level });
    }
  }

  /** @param {Message} message */
  receive(message) {
    const { id, method, params = {} } = message;
    if (method === undefined) this.#pending.answer(message);
    else if (id !== undefined && id !== null) this.#answer(id, method, params);
    else if (method === "notifications/progress") this.#pending.progress(params);
    else if (method === "notifications/cancelled") this.#questions.get(params.requestId)?.abort();
    else this.hears.onNotice(method, params);
  }

  /**
   * Take that the connection has ended.
   *
   * @param {unknown} error
   */
  end(error) {
    if (this.#isClosed) return;
    this.#forget(error);
    this.carrier.close();
    this.hears.onLost(error);
  }

  /** Leave: the session ends. */
  async close() {
    this.#forget(new DOMException("closed", "AbortError"));
    if (this.carrier instanceof StreamableHTTP) await this.carrier.end();
    this.carrier.close();
  }

  /** @param {unknown} error */
  #forget(error) {
    this.#isClosed = true;
    this.#leaving.abort();
    this.#pending.failAll(error);
    for (const asked of this.#questions.values()) asked.abort();
  }

  /**
   * Take that a message could not be sent; without its session nothing more can be.
   *
   * @param {Id} id
   * @param {unknown} error
   */
  #failed(id, error) {
    this.#pending.fail(id, error);
    const hasSession = this.server.protocolVersion !== undefined;
    const isOver = error instanceof Refused && [401, 404].includes(error.status);
    if (hasSession && isOver) this.end(error);
  }

  /**
   * @param {string} method
   * @param {Record<string, any>} [params]
   */
  async #notify(method, params) {
    await this.carrier.send({ jsonrpc: "2.0", method, ...(params && { params }) });
  }

  /**
   * @param {Id} id
   * @param {unknown} reason
   */
  #cancel(id, reason) {
    this.#pending.fail(id, reason);
    const params = { requestId: id, reason: "cancelled by the user" };
    this.#notify("notifications/cancelled", params).catch((error) => this.#failed(id, error));
  }

  /**
   * Answer what the server asks.
   *
   * @param {Id} id
   * @param {string} method
   * @param {any} params
   */
  async #answer(id, method, params) {
    const asked = new AbortController();
    this.#questions.set(id, asked);
    /** @type {Message} */
    const answer = { jsonrpc: "2.0", id };
    try {
      if (method === "ping") answer.result = {};
      else if (QUESTIONS.includes(method)) {
        answer.result = await this.hears.onQuestion(method, params, asked.signal);
      } else answer.error = { code: -32601, message: `unknown method: ${method}` };
    } catch (error) {
      const { code = -32603, message = "" } = /** @type {any} */ (error);
      answer.error = { code: Number.isInteger(code) ? code : -32603, message };
    } finally {
      this.#questions.delete(id);
    }
    // Who has withdrawn a question wants no answer.
    if (asked.signal.aborted) return;
    this.carrier.send(answer).catch((error) => this.#failed(id, error));
  }

  /**
   * Hold the stream for changes.
   *
   * @param {StreamableHTTP} carrier
   */
  #hold(carrier) {
    carrier.hold(this.#leaving.signal).then(
      () => this.end(new Lost()),
      (error) => {
        // A server may have no such stream.
        if (!(error instanceof Refused && error.status === 405)) this.end(error);
      },
    );
  }
}
