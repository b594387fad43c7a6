/** The field of an object whose members the reader names. */

import { freshId, make } from "../dom.js";
import { format } from "../texts.js";
import { announce, button, MOST_ROWS, PLACES } from "./buttons.js";
import { isObject } from "../json.js";

/** @import {Slot, Field, Below} from "./slot.js" */
/** @typedef {{name: HTMLInputElement, slot: Slot, element: HTMLElement}} Row */

/** @implements {Field} */
export class MapField {
  /**
   * @param {Slot} slot
   * @param {string[]} [taken] Names of members that have a field of their own.
   */
  constructor(slot, taken = []) {
    /** @type {HTMLElement | null} */
    this.control = null;
    this.slot = slot;
    this.taken = taken;
    this.isGiven = slot.isRequired;
    /** @type {Row[]} */
    this.rows = [];
    this.list = make("div", { className: "mcp-form-rows" });
    this.adder = button(format(slot.form.texts.add_member), () => {
      slot.form.places = PLACES;
      const row = this.#add();
      row.slot.begin();
      row.name.focus();
      announce(this.list);
    });
    this.element = make("div", {}, this.list, this.adder);
  }

  #add() {
    const { form, kind } = this.slot;
    const name = make("input", { id: freshId("name"), autocomplete: "off", spellcheck: false });
    const schema = kind.schema.additionalProperties ?? {};
    const slot = this.slot.makeBelow(schema, { label: format(form.texts.member_value) });
    const label = make("label", { htmlFor: name.id }, format(form.texts.member_name));
    const remove = button(format(form.texts.remove), () => this.#remove(row));
    const element = make(
      "div",
      { className: "mcp-form-row" },
      make("div", { className: "mcp-field mcp-form-field" }, label, name),
      slot.element,
      remove,
    );
    const row = { name, slot, element };
    this.rows.push(row);
    this.list.append(element);
    return row;
  }

  /** @param {Row} row */
  #remove(row) {
    this.rows = this.rows.filter((other) => other !== row);
    row.element.remove();
    this.isGiven = this.slot.isRequired;
    this.adder.focus();
    announce(this.element);
  }

  value() {
    if (!this.isGiven && !this.rows.length) return undefined;
    const entries = this.rows.map((row) => [row.name.value, row.slot.value()]);
    return Object.fromEntries(entries.filter(([name, value]) => name !== "" && value !== undefined));
  }

  /** @param {any} value */
  setValue(value) {
    this.isGiven = value !== undefined;
    this.rows = [];
    this.list.replaceChildren();
    if (!isObject(value) || Object.keys(value).length > MOST_ROWS) return;
    for (const [name, member] of Object.entries(value)) {
      const row = this.#add();
      row.name.value = name;
      row.slot.setValue(member);
    }
  }

  broken() {
    const { texts } = this.slot.form;
    const names = this.rows.map((row) => row.name.value);
    const twice = names.filter((name, at) => name && (names.indexOf(name) < at || this.taken.includes(name)));
    const isNameless = names.includes("");
    return [
      ...[...new Set(twice)].map((name) => format(texts.name_twice, { name })),
      ...(isNameless ? [format(texts.no_name)] : []),
    ];
  }

  /** @returns {Below[]} */
  below() {
    return this.rows.map(({ name, slot }) => ({ key: name.value, label: name.value, slot }));
  }
}
