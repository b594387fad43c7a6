/** The field of a union: which of the alternatives, and its field. */

import { make } from "../dom.js";
import { format } from "../texts.js";
import { announce, PLACES } from "./buttons.js";
import { chooser } from "./choice.js";
import { typeOf } from "../json.js";

/** @import {Slot, Field, Below} from "./slot.js" */
/** @import {Branch} from "./kinds.js" */

/** @implements {Field} */
export class UnionField {
  /** @param {Slot} slot */
  constructor(slot) {
    /** @type {HTMLElement | null} */
    this.control = null;
    this.slot = slot;
    this.branches = slot.kind.branches ?? [];
    this.labels = labelsOf(this.branches, slot.form.texts);
    this.chooser = chooser(slot, this.labels);
    this.chooser.setAttribute("aria-label", format(slot.form.texts.which, { label: slot.label }));
    /** @type {Slot | null} */
    this.chosen = null;
    this.place = make("div", { className: "mcp-form-branch" });
    this.element = make("div", { className: "mcp-field" }, this.chooser, this.place);
    this.chooser.addEventListener("change", () => {
      slot.form.places = PLACES;
      this.#choose(Number(this.chooser.value))?.begin();
      announce(this.place);
    });
    const isWanted = slot.isRequired && !slot.isRecursive && slot.form.places > 0;
    if (isWanted) this.#choose(this.branches[0]?.type === "null" ? 1 : 0)?.begin();
    else this.#choose(-1);
  }

  /** @param {number} at */
  #choose(at) {
    this.chooser.value = String(at);
    const branch = this.branches[at];
    const options = { label: this.labels[at] ?? "", isPlain: true };
    this.chosen = branch ? this.slot.makeBelow(branch.schema, options) : null;
    this.place.replaceChildren(...(this.chosen ? [this.chosen.element] : []));
    return this.chosen;
  }

  value() {
    return this.chosen?.value();
  }

  /** @param {any} value */
  setValue(value) {
    if (value === undefined) {
      this.#choose(-1);
      return;
    }
    const right = this.branches.findIndex(({ schema }) => this.slot.fits(schema, value));
    const type = typeOf(value);
    const similar = this.branches.findIndex(
      (branch) => branch.type === type || (branch.type === "integer" && type === "number"),
    );
    this.#choose([right, similar, 0].find((at) => at >= 0) ?? 0)?.setValue(value);
  }

  broken() {
    return [];
  }

  /** @returns {Below[]} */
  below() {
    return this.chosen ? [{ key: null, label: "", slot: this.chosen }] : [];
  }
}

/**
 * Name the alternatives, each by another name.
 *
 * @param {Branch[]} branches
 * @param {Record<string, string>} texts
 */
function labelsOf(branches, texts) {
  const labels = branches.map(({ label, type }) => label ?? format(texts[`type_${type}`] ?? texts.type_any));
  return labels.map((label, at) => {
    const before = labels.slice(0, at).filter((other) => other === label).length;
    return before ? `${label} (${before + 1})` : label;
  });
}
