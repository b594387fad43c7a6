/** The modern era: each request says all that it needs, and nothing is remembered. */

import { Pending } from "./pending.js";
import { ErrorAnswer, Lost, META, modernHeaders, modernRequest, Refused } from "./protocol.js";
import { answerRound } from "./questions.js";
import { StreamableHTTP } from "./streamable_http.js";

/**
 * @import {Message} from "./protocol.js"
 * @import {Asking} from "./link.js"
 * @import {WebSocketCarrier} from "./websocket.js"
 * @import {SSECarrier} from "./sse.js"
 * @import {Hears} from "./link.js"
 */

const MAX_ROUNDS = 50;

/** Speaks version 2026-07-28 over any carrier. */
export class ModernLink {
  #pending = new Pending();
  #isClosed = false;
  /** @type {AbortController | undefined} */
  #listening;
  /** @type {Set<string>} */
  #uris = new Set();
  #logLevel = "";
  #ending = new AbortController();

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

  /** Open the connection, ask what the server is, and listen for changes. */
  async connect() {
    await this.carrier.open();
    const found = await this.request("server/discover", {});
    this.server = { ...found, serverInfo: found._meta?.["io.modelcontextprotocol/serverInfo"] };
    await this.#listen();
  }

  /**
   * Send a request, and answer what the server asks on the way.
   *
   * @param {string} method
   * @param {Record<string, any>} params
   * @param {Asking} [asking]
   * @returns {Promise<any>} The result.
   */
  async request(method, params, asking = {}) {
    const { signal: own = this.#ending.signal } = asking;
    const signal = AbortSignal.any([own, this.#ending.signal]);
    let again = params;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const result = await this.#once(method, again, { ...asking, signal });
      if (result?.resultType !== "input_required") return result;
      const inputResponses = await answerRound(result.inputRequests, this.hears, signal);
      again = { ...params, inputResponses };
      if (result.requestState !== undefined) again.requestState = result.requestState;
    }
    throw new Error(`the server asked ${MAX_ROUNDS} times, and gave no answer`);
  }

  /** Ask whether the server answers. */
  async ping() {
    await this.request("server/discover", {});
  }

  /**
   * Want to be told when a resource changes, or no longer.
   *
   * @param {string} uri
   * @param {boolean} isWanted
   */
  async subscribe(uri, isWanted) {
    if (isWanted) this.#uris.add(uri);
    else this.#uris.delete(uri);
    await this.#listen();
  }

  /**
   * Want log messages from a level on; "" for none.
   *
   * @param {string} level
   */
  async setLogLevel(level) {
    this.#logLevel = level;
  }

  /** @param {Message} message */
  receive(message) {
    if (!message.method) {
      this.#pending.answer(message);
    } else if (message.method === "notifications/progress") {
      this.#pending.progress(message.params);
    } else {
      this.hears.onNotice(message.method, message.params ?? {});
    }
  }

  /**
   * Take that the connection has ended.
   *
   * @param {unknown} error
   */
  end(error) {
    if (this.#isClosed) return;
    this.#forget(error);
    this.hears.onLost(error);
  }

  /** Leave. */
  async close() {
    this.#forget(new DOMException("closed", "AbortError"));
  }

  /** @param {unknown} error */
  #forget(error) {
    this.#isClosed = true;
    this.#pending.failAll(error);
    this.carrier.close();
    // Last: it withdraws questions, and what waits is to fail with the reason.
    this.#ending.abort(error);
  }

  /**
   * Take that a message could not be sent; without a login no other can be.
   *
   * @param {number} id
   * @param {unknown} error
   */
  #failed(id, error) {
    this.#pending.fail(id, error);
    if (error instanceof Refused && error.status === 401) this.end(error);
  }

  /**
   * @param {string} method
   * @param {Record<string, any>} params
   * @param {Asking & {onSent?: () => void}} asking
   */
  async #once(method, params, { signal, onProgress, schema }) {
    signal?.throwIfAborted();
    const id = this.#pending.nextId();
    const message = modernRequest(id, method, params, this.version, {
      ...(this.#logLevel && { [META.logLevel]: this.#logLevel }),
      ...(onProgress && { progressToken: id }),
    });
    const answer = this.#pending.wait(id, onProgress);
    const cancel = () => this.#cancel(id, signal?.reason);
    signal?.addEventListener("abort", cancel);
    const headers = modernHeaders(message, this.version, schema);
    this.carrier.send(message, { headers, signal }).then(
      () => {
        // Over HTTP nothing can come any more.
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

  /**
   * @param {number} id
   * @param {unknown} reason
   */
  #cancel(id, reason) {
    this.#pending.fail(id, reason);
    if (this.#isClosed || this.carrier instanceof StreamableHTTP) return;
    const params = { requestId: id, reason: "cancelled by the user" };
    this.carrier
      .send({ jsonrpc: "2.0", method: "notifications/cancelled", params })
      .catch((error) => this.end(error));
  }

  /** Listen for what is wanted now, and no longer for what was before. */
  async #listen() {
    const before = this.#listening;
    const listening = new AbortController();
    this.#listening = listening;
    const { capabilities = {} } = this.server;
    const notifications = {
      ...(capabilities.tools && { toolsListChanged: true }),
      ...(capabilities.prompts && { promptsListChanged: true }),
      ...(capabilities.resources && { resourcesListChanged: true }),
      ...(this.#uris.size > 0 && { resourceSubscriptions: [...this.#uris] }),
    };
    before?.abort();
    this.#once("subscriptions/listen", { notifications }, { signal: listening.signal }).then(
      () => this.#endListening(listening, new Lost()),
      (error) => this.#endListening(listening, error),
    );
  }

  /**
   * @param {AbortController} listening
   * @param {unknown} error
   */
  #endListening(listening, error) {
    if (this.#listening !== listening) return;
    // A server may have no streams, or refuse to tell of a resource.
    const goesOn = error instanceof ErrorAnswer || (error instanceof Refused && error.status !== 401);
    if (goesOn) this.hears.onFault("subscriptions/listen", error);
    else this.end(error);
  }
}
