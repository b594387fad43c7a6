/** Fields that one chooses in. */

import { make } from "../dom.js";
import { format } from "../texts.js";
import { same } from "../json.js";

/** @import {Slot, Field} from "./slot.js" */
/** @import {Choice} from "./kinds.js" */

/**
 * Make a list to choose one from; the first entry stands for nothing.
 *
 * @param {Slot} slot
 * @param {string[]} labels
 */
export function chooser(slot, labels) {
  const { texts } = slot.form;
  const nothing = format(slot.isRequired ? texts.choose : texts.not_given);
  const options = [nothing, ...labels].map((label, at) =>
    make("option", { value: String(at - 1) }, label),
  );
  return make("select", { className: "mcp-form-select" }, ...options);
}

/** One of several values. @implements {Field} */
export class ChoiceField {
  /**
   * @param {Slot} slot
   * @param {Choice[]} choices
   */
  constructor(slot, choices) {
    this.choices = choices;
    this.control = chooser(slot, choices.map((choice) => choice.label));
    this.element = this.control;
  }

  value() {
    return this.choices[Number(this.control.value)]?.value;
  }

  /** @param {any} value */
  setValue(value) {
    const at = this.choices.findIndex((choice) => same(choice.value, value));
    this.control.value = String(at);
  }

  broken() {
    return [];
  }

  below() {
    return [];
  }
}

/** Several of several values, in the order they were chosen. @implements {Field} */
export class ChoicesField {
  /**
   * @param {Slot} slot
   * @param {Choice[]} choices
   */
  constructor(slot, choices) {
    /** @type {HTMLElement | null} */
    this.control = null;
    this.choices = choices;
    this.isRequired = slot.isRequired;
    /** @type {number[]} */
    this.chosen = [];
    this.isGiven = slot.isRequired;
    this.boxes = choices.map((_choice, at) => {
      const box = make("input", { type: "checkbox" });
      box.addEventListener("change", () => this.#choose(at, box.checked));
      return box;
    });
    const lines = choices.map((choice, at) =>
      make("label", { className: "mcp-choice" }, this.boxes[at], make("bdi", {}, choice.label)),
    );
    this.element = make("div", { className: "mcp-form-choices" }, ...lines);
  }

  /** @param {number} at @param {boolean} isChosen */
  #choose(at, isChosen) {
    this.chosen = this.chosen.filter((other) => other !== at);
    if (isChosen) this.chosen.push(at);
    this.isGiven = this.isRequired || this.chosen.length > 0;
  }

  value() {
    if (!this.isGiven) return undefined;
    return this.chosen.map((at) => this.choices[at]?.value);
  }

  /** @param {any} value */
  setValue(value) {
    const values = Array.isArray(value) ? value : [];
    this.isGiven = value !== undefined;
    const places = values.map((one) => this.choices.findIndex((choice) => same(choice.value, one)));
    this.chosen = [...new Set(places)].filter((at) => at >= 0);
    for (const [at, box] of this.boxes.entries()) box.checked = this.chosen.includes(at);
  }

  broken() {
    return [];
  }

  below() {
    return [];
  }
}

/** Yes or no, where one of them has to be. @implements {Field} */
export class FlagField {
  constructor() {
    this.isAlwaysGiven = true;
    this.control = make("input", { type: "checkbox", className: "mcp-form-flag" });
    this.element = this.control;
  }

  value() {
    // What neither was set nor touched is neither.
    return this.control.indeterminate ? undefined : this.control.checked;
  }

  /** @param {any} value */
  setValue(value) {
    this.control.checked = value === true;
    this.control.indeterminate = value === undefined;
  }

  broken() {
    return [];
  }

  below() {
    return [];
  }
}

/** The only value that there may be. @implements {Field} */
export class FixedField {
  /** @param {Choice} choice */
  constructor(choice) {
    this.isAlwaysGiven = true;
    this.choice = choice;
    this.control = make("output", { className: "mcp-form-fixed", tabIndex: -1 }, choice.label);
    this.element = this.control;
  }

  value() {
    return this.choice.value;
  }

  /** It stays as it is. */
  setValue() {}

  broken() {
    return [];
  }

  below() {
    return [];
  }
}
