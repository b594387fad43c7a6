/** Which field shows a place. */

import { ArrayField } from "./array.js";
import { ChoiceField, ChoicesField, FixedField, FlagField } from "./choice.js";
import { JsonField } from "./json.js";
import { MapField } from "./map.js";
import { ObjectField } from "./object.js";
import { NumberField, TextField } from "./text.js";
import { UnionField } from "./union.js";
import { format } from "../texts.js";

/** @import {Slot, Field} from "./slot.js" */
/** @import {Choice} from "./kinds.js" */

/**
 * Make the field for a place.
 *
 * @param {Slot} slot
 * @returns {Field}
 */
export function makeField(slot) {
  const { kind, nullable, choices = [], why } = slot.kind;
  const { texts } = slot.form;
  switch (kind) {
    case "text":
      return new TextField(slot);
    case "number":
      return new NumberField(slot);
    case "boolean":
      return slot.isRequired && !nullable
        ? new FlagField()
        : new ChoiceField(slot, [
            { label: format(texts.yes), value: true },
            { label: format(texts.no), value: false },
            ...(nullable ? [{ label: "null", value: null }] : []),
          ]);
    case "choice":
      return makeChoice(slot, choices);
    case "choices":
      return new ChoicesField(slot, choices);
    case "null":
      return makeChoice(slot, [{ label: "null", value: null }]);
    case "object":
      return new ObjectField(slot);
    case "map":
      return new MapField(slot);
    case "array":
      return new ArrayField(slot);
    case "union":
      return new UnionField(slot);
    case "any":
      return new JsonField(slot, "");
    case "unknown":
      return new JsonField(slot, format(texts[why?.text ?? ""], why?.values));
  }
}

/**
 * @param {Slot} slot
 * @param {Choice[]} choices
 */
function makeChoice(slot, choices) {
  const [only] = choices;
  const isFixed = slot.isRequired && choices.length === 1;
  return isFixed && only ? new FixedField(only) : new ChoiceField(slot, choices);
}
