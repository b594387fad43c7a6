/** Requests that wait for their answers. */

import { ErrorAnswer } from "./protocol.js";

/**
 * @import {Message} from "./protocol.js"
 * @typedef {{progress: number, total?: number, message?: string}} Progress
 * @typedef {object} Waiting
 * @property {(result: any) => void} resolve
 * @property {(error: unknown) => void} reject
 * @property {(progress: Progress) => void} [onProgress]
 */

/** Knows who waits for what, by id. */
export class Pending {
  /** @type {Map<unknown, Waiting>} */
  #waiting = new Map();
  #lastId = 0;

  /** Give an id for a new request. */
  nextId() {
    this.#lastId += 1;
    return this.#lastId;
  }

  /**
   * Wait for the answer to a request.
   *
   * @param {number} id
   * @param {(progress: Progress) => void} [onProgress]
   * @returns {Promise<any>} The result.
   * @throws {ErrorAnswer} The server answers with an error.
   */
  wait(id, onProgress) {
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, onProgress });
    });
  }

  /**
   * Take an answer; say whether it was waited for.
   *
   * @param {Message} message
   */
  answer(message) {
    const waiting = this.#take(message.id);
    if (message.error) waiting?.reject(new ErrorAnswer(message.error));
    else waiting?.resolve(message.result);
    return waiting !== undefined;
  }

  /**
   * Take how far a request is.
   *
   * @param {any} params Of the notification.
   */
  progress({ progressToken, progress, total, message }) {
    this.#waiting.get(progressToken)?.onProgress?.({ progress, total, message });
  }

  /**
   * Let one fail; nothing if it waits no longer.
   *
   * @param {unknown} id
   * @param {unknown} error
   */
  fail(id, error) {
    this.#take(id)?.reject(error);
  }

  /**
   * Let all fail.
   *
   * @param {unknown} error
   */
  failAll(error) {
    for (const id of [...this.#waiting.keys()]) this.fail(id, error);
  }

  /** @param {unknown} id */
  #take(id) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}
