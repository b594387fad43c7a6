/** HTTP+SSE: what the server says comes on one stream, what we say is posted. */

import { Lost, reasonIn, Refused } from "./protocol.js";

/** @import {Message} from "./protocol.js" */
/** @import {Traffic} from "./traffic.js" */

const VIA = "HTTP+SSE";

/** Carries messages over HTTP+SSE, which the legacy era alone has. */
export class SSECarrier {
  /** @type {EventSource | undefined} */
  #source;
  #postUrl = "";

  /**
   * @param {object} options
   * @param {string} options.url Of the stream.
   * @param {Traffic} options.traffic
   * @param {(message: Message) => void} options.onMessage
   * @param {(lost: Lost) => void} options.onEnd Not called for what `close` ends.
   */
  constructor({ url, traffic, onMessage, onEnd }) {
    this.url = url;
    this.traffic = traffic;
    this.onMessage = onMessage;
    this.onEnd = onEnd;
  }

  /**
   * Open the stream, and learn from it where to post.
   *
   * @returns {Promise<void>}
   * @throws {Refused} The server refuses it by a status of HTTP.
   * @throws {Lost} It cannot be opened.
   */
  open() {
    const post = { method: "GET", url: this.url, headers: { Accept: "text/event-stream" } };
    this.traffic.record({ direction: "out", via: VIA, message: undefined, text: "GET", post });
    const source = new EventSource(this.url);
    this.#source = source;
    return new Promise((resolve, reject) => {
      source.addEventListener("endpoint", ({ data }) => {
        const url = new URL(data, this.url);
        this.traffic.record({ direction: "in", via: VIA, message: undefined, text: `endpoint ${data}` });
        if (url.origin !== new URL(this.url).origin) {
          this.close();
          reject(new Lost(`the server wants posts to another site: ${url.origin}`));
          return;
        }
        this.#postUrl = url.href;
        resolve();
      });
      source.onmessage = ({ data }) => this.#take(data);
      source.onerror = () => {
        // It would come back by itself, to a session that is another one.
        source.close();
        if (this.#postUrl) {
          if (this.#source === source) this.onEnd(new Lost());
        } else this.#whyNot().then(reject);
      };
    });
  }

  /** Ask why there is no stream, which `EventSource` does not tell. */
  async #whyNot() {
    const asking = new AbortController();
    try {
      const headers = { Accept: "text/event-stream" };
      const response = await fetch(this.url, { headers, signal: asking.signal, cache: "no-store" });
      if (response.ok) return new Lost();
      const text = await response.text();
      const { status } = response;
      this.traffic.record({ direction: "in", via: VIA, message: undefined, text, status });
      return new Refused(status, reasonIn(text));
    } catch (error) {
      return new Lost(String(error));
    } finally {
      asking.abort();
    }
  }

  /**
   * @param {Message} message
   * @throws {Refused} The server refuses it by a status of HTTP.
   * @throws {Lost} The server cannot be reached.
   */
  async send(message) {
    const headers = { "Content-Type": "application/json" };
    const post = { method: "POST", url: this.#postUrl, headers, body: JSON.stringify(message) };
    this.traffic.record({ direction: "out", via: VIA, message, post });
    /** @type {Response} */
    let response;
    try {
      response = await fetch(post.url, { method: "POST", headers, body: post.body, redirect: "error" });
    } catch (error) {
      throw new Lost(String(error));
    }
    const text = await response.text();
    if (response.ok) return;
    const { status } = response;
    this.traffic.record({ direction: "in", via: VIA, message: undefined, text, status });
    throw new Refused(status, reasonIn(text));
  }

  close() {
    const source = this.#source;
    this.#source = undefined;
    source?.close();
  }

  /** @param {string} text */
  #take(text) {
    const message = JSON.parse(text);
    this.traffic.record({ direction: "in", via: VIA, message, text });
    this.onMessage(message);
  }
}
