/** What was sent and received: each message with its time, and how it went. */

/** @import {Message} from "./protocol.js" */

/**
 * @typedef {object} Entry
 * @property {number} number
 * @property {Date} time
 * @property {"out" | "in"} direction
 * @property {string} via Binding, and what of it.
 * @property {Message | undefined} message None where something else than a message came.
 * @property {string} text As it was written.
 * @property {Post} [post] The HTTP request that brought it, if we sent one.
 * @property {number} [status] Of the HTTP response, if that was no success.
 */

/** @typedef {{method: string, url: string, headers: Record<string, string>, body?: string}} Post */

/** @typedef {Omit<Entry, "number" | "time" | "text"> & {text?: string}} NewEntry */

export const MAX_ENTRIES = 1000;

/** Keeps the last messages, and tells of each new one. */
export class Traffic extends EventTarget {
  /** @type {Entry[]} */
  entries = [];
  #count = 0;

  /** How many are left out, because there were too many. */
  get dropped() {
    return this.#count - this.entries.length;
  }

  /**
   * Keep one.
   *
   * @param {NewEntry} entry
   */
  record(entry) {
    this.#count += 1;
    const text = entry.text ?? JSON.stringify(entry.message);
    this.entries.push({ ...entry, text, number: this.#count, time: new Date() });
    if (this.entries.length > MAX_ENTRIES) this.entries.shift();
    this.dispatchEvent(new Event("change"));
  }

  /** Forget all. */
  clear() {
    this.#count = 0;
    this.entries = [];
    this.dispatchEvent(new Event("change"));
  }

  /**
   * Give those that someone wants to see.
   *
   * @param {{text?: string, direction?: string}} wanted
   */
  find({ text = "", direction = "" }) {
    const words = text.toLowerCase();
    return this.entries.filter(
      (entry) =>
        (!direction || entry.direction === direction) &&
        (!words || `${entry.via} ${entry.text}`.toLowerCase().includes(words)),
    );
  }
}
