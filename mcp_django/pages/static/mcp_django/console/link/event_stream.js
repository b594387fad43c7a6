/** Server-sent events in the body of an answer to `fetch`. */

/** @typedef {{event: string, data: string, id: string | undefined}} ServerEvent */

/** Takes the text of an event stream in pieces, however it is split. */
export class EventReader {
  #rest = "";
  #event = "";
  /** @type {string[]} */
  #data = [];
  /** @type {string | undefined} */
  #id;
  #isFirst = true;
  /** Milliseconds after which the server wants to be asked again, if it said so. */
  retry = /** @type {number | undefined} */ (undefined);

  /**
   * Take a piece; give the events that it ends.
   *
   * Spec: HTML, "Interpreting an event stream".
   *
   * @param {string} piece
   * @returns {ServerEvent[]}
   */
  read(piece) {
    if (this.#isFirst && piece) {
      piece = piece.replace(/^\uFEFF/, "");
      this.#isFirst = false;
    }
    const text = this.#rest + piece;
    // What ends in CR may go on with LF.
    const whole = text.endsWith("\r") ? text.slice(0, -1) : text;
    const lines = whole.split(/\r\n|\n|\r/);
    this.#rest = (lines.pop() ?? "") + text.slice(whole.length);
    return lines.flatMap((line) => this.#line(line));
  }

  /**
   * @param {string} line
   * @returns {ServerEvent[]}
   */
  #line(line) {
    if (line === "") return this.#end();
    const [, name, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (name === "data") this.#data.push(value ?? "");
    else if (name === "event") this.#event = value ?? "";
    else if (name === "id" && !value?.includes("\0")) this.#id = value ?? "";
    else if (name === "retry" && /^\d+$/.test(value ?? "")) this.retry = Number(value);
    return [];
  }

  /** @returns {ServerEvent[]} */
  #end() {
    const event = { event: this.#event || "message", data: this.#data.join("\n"), id: this.#id };
    const isEmpty = this.#data.length === 0 && this.#id === undefined;
    this.#event = "";
    this.#data = [];
    this.#id = undefined;
    return isEmpty ? [] : [event];
  }
}

/**
 * Read the events of a body, one after the other.
 *
 * @param {ReadableStream<Uint8Array>} body
 * @param {EventReader} [reader]
 * @returns {AsyncGenerator<ServerEvent>}
 */
export async function* eventsOf(body, reader = new EventReader()) {
  const chunks = body.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { done, value } = await chunks.read();
      if (done) return;
      yield* reader.read(decoder.decode(value, { stream: true }));
    }
  } finally {
    chunks.releaseLock();
  }
}
