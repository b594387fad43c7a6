/** The field of a list: one below the other, to add to and take from. */

import { make } from "../dom.js";
import { format } from "../texts.js";
import { announce, button, focusFirst, MOST_ROWS, PLACES } from "./buttons.js";

/** @import {Slot, Field, Below} from "./slot.js" */
/** @typedef {{slot: Slot, element: HTMLElement, remove: HTMLButtonElement}} Row */

const MOST_AT_FIRST = 3;

/** @implements {Field} */
export class ArrayField {
  /** @param {Slot} slot */
  constructor(slot) {
    /** @type {HTMLElement | null} */
    this.control = null;
    this.slot = slot;
    this.isGiven = slot.isRequired;
    /** @type {Row[]} */
    this.rows = [];
    this.list = make("div", { className: "mcp-form-rows" });
    this.adder = button(format(slot.form.texts.add_item), () => {
      slot.form.places = PLACES;
      const row = this.#add();
      row.slot.begin();
      focusFirst(row.element);
      announce(this.list);
    });
    this.element = make("div", {}, this.list, this.adder);
    const least = slot.isRequired && !slot.isRecursive ? Number(slot.kind.schema.minItems) || 0 : 0;
    for (let at = 0; at < Math.min(least, MOST_AT_FIRST) && slot.form.places > 0; at += 1) {
      this.#add().slot.begin();
    }
  }

  #add() {
    const { form, kind } = this.slot;
    const label = this.#label(this.rows.length);
    const slot = this.slot.makeBelow(kind.schema.items ?? {}, { label });
    const remove = button(format(form.texts.remove), () => this.#remove(row), this.#removing(label));
    const element = make("div", { className: "mcp-form-row" }, slot.element, remove);
    const row = { slot, element, remove };
    this.rows.push(row);
    this.list.append(element);
    return row;
  }

  /** @param {number} at */
  #label(at) {
    return format(this.slot.form.texts.item, { number: at + 1 });
  }

  /** @param {string} label */
  #removing(label) {
    return format(this.slot.form.texts.remove_one, { label });
  }

  /** @param {Row} row */
  #remove(row) {
    this.rows = this.rows.filter((other) => other !== row);
    row.element.remove();
    for (const [at, { slot, remove }] of this.rows.entries()) {
      slot.relabel(this.#label(at));
      remove.setAttribute("aria-label", this.#removing(this.#label(at)));
    }
    this.isGiven = this.slot.isRequired;
    this.adder.focus();
    announce(this.element);
  }

  value() {
    if (!this.isGiven && !this.rows.length) return undefined;
    const values = this.rows.map((row) => row.slot.value());
    return values.filter((value) => value !== undefined);
  }

  /** @param {any} value */
  setValue(value) {
    this.isGiven = value !== undefined;
    this.rows = [];
    this.list.replaceChildren();
    if (!Array.isArray(value) || value.length > MOST_ROWS) return;
    for (const item of value) this.#add().slot.setValue(item);
  }

  broken() {
    return [];
  }

  /** @returns {Below[]} */
  below() {
    return this.rows.map(({ slot }, key) => ({ key, label: slot.label, slot }));
  }
}
