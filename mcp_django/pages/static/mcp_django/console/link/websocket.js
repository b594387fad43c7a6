/** WebSocket: each frame is a message. */

import { Lost } from "./protocol.js";

/** @import {Message} from "./protocol.js" */
/** @import {Traffic} from "./traffic.js" */

const VIA = "WebSocket";

/** Carries messages over a WebSocket, of either era. */
export class WebSocketCarrier {
  /** @type {WebSocket | undefined} */
  #socket;

  /**
   * @param {object} options
   * @param {string} options.url With `ws` or `wss`.
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
   * Open it.
   *
   * @returns {Promise<void>}
   * @throws {Lost} It cannot be opened; browsers do not tell why.
   */
  open() {
    const socket = new WebSocket(this.url, "mcp");
    this.#socket = socket;
    return new Promise((resolve, reject) => {
      let isOpen = false;
      socket.onopen = () => {
        isOpen = true;
        resolve();
      };
      socket.onmessage = ({ data }) => this.#take(String(data));
      socket.onclose = ({ code, reason }) => {
        const lost = new Lost(`${code} ${reason}`.trim());
        reject(lost);
        if (isOpen && this.#socket === socket) this.onEnd(lost);
      };
    });
  }

  /** @param {Message} message */
  async send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) throw new Lost();
    this.traffic.record({ direction: "out", via: VIA, message });
    this.#socket.send(JSON.stringify(message));
  }

  close() {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close(1000);
  }

  /** @param {string} text */
  #take(text) {
    const message = JSON.parse(text);
    this.traffic.record({ direction: "in", via: VIA, message, text });
    this.onMessage(message);
  }
}
