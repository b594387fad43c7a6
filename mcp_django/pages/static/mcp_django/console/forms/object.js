/** The field of an object: a field for each member. */

import { make } from "../dom.js";
import { format } from "../texts.js";
import { announce, button, focusFirst, PLACES } from "./buttons.js";
import { MapField } from "./map.js";
import { isObject } from "../json.js";

/** @import {Slot, Field, Below} from "./slot.js" */

/** @implements {Field} */
export class ObjectField {
  /** @param {Slot} slot */
  constructor(slot) {
    /** @type {HTMLElement | null} */
    this.control = null;
    this.slot = slot;
    this.element = make("div", { className: "mcp-form-members" });
    /** @type {Map<string, Slot> | null} Null while there is no object. */
    this.members = null;
    /** @type {MapField | null} */
    this.others = null;
    // What contains itself grows as the reader wants.
    const isWanted = slot.isRequired && !slot.isRecursive && slot.form.places > 0;
    if (isWanted) this.#open(true);
    else this.#close();
  }

  /** @param {boolean} begins Whether the members begin with their defaults. */
  #open(begins) {
    const { kind } = this.slot;
    const { properties, required = [], additionalProperties } = kind.schema;
    const members = new Map(Object.entries(isObject(properties) ? properties : {}));
    for (const name of required) {
      if (!members.has(name)) members.set(name, additionalProperties ?? {});
    }
    this.members = new Map();
    for (const [name, schema] of members) {
      const isRequired = required.includes(name);
      this.members.set(name, this.slot.makeBelow(schema, { name, isRequired }));
    }
    if (begins) for (const member of this.members.values()) member.begin();
    const hasOthers = additionalProperties === true || isObject(additionalProperties);
    this.others = hasOthers ? new MapField(this.slot, [...members.keys()]) : null;
    const elements = [...this.members.values()].map((member) => member.element);
    this.element.replaceChildren(
      ...elements,
      ...(this.others ? [this.others.element] : []),
      ...(members.size || hasOthers ? [] : [this.#empty()]),
      ...(this.slot.isRequired ? [] : [this.#remover()]),
    );
  }

  #empty() {
    return make("p", { className: "mcp-quiet" }, format(this.slot.form.texts.no_members));
  }

  #remover() {
    const { texts } = this.slot.form;
    const { label } = this.slot;
    return button(format(texts.remove), () => {
      this.#close();
      focusFirst(this.element);
      announce(this.element);
    }, format(texts.remove_one, { label }));
  }

  #close() {
    this.members = null;
    this.others = null;
    const { form, label } = this.slot;
    const add = button(format(form.texts.add_one, { label }), () => {
      form.places = PLACES;
      this.#open(true);
      focusFirst(this.element);
      announce(this.element);
    });
    this.element.replaceChildren(add);
  }

  value() {
    if (!this.members) return undefined;
    const given = [...this.members].map(([name, member]) => [name, member.value()]);
    const others = Object.entries(this.others?.value() ?? {});
    return Object.fromEntries([...given.filter(([, value]) => value !== undefined), ...others]);
  }

  /** @param {any} value */
  setValue(value) {
    if (!isObject(value)) {
      this.#close();
      return;
    }
    this.#open(false);
    const rest = new Map(Object.entries(value));
    for (const [name, member] of this.members ?? []) {
      member.setValue(rest.get(name));
      rest.delete(name);
    }
    this.others?.setValue(Object.fromEntries(rest));
  }

  broken() {
    return this.others?.broken() ?? [];
  }

  /** @returns {Below[]} */
  below() {
    const members = [...(this.members ?? [])].map(([key, slot]) => ({ key, label: slot.label, slot }));
    return [...members, ...(this.others?.below() ?? [])];
  }
}
