/** What is said below a field's label: what may be given. */

import { format } from "../texts.js";
import { timeZone } from "./formats.js";

/** @import {Slot} from "./slot.js" */
/** @import {Schema} from "./schema.js" */

/**
 * Say what a field wants.
 *
 * @param {Slot} slot
 * @returns {string[]}
 */
export function hintsOf(slot) {
  const { texts } = slot.form;
  const { kind, schema } = slot.kind;
  const hints = [];
  if (schema.deprecated === true) hints.push(format(texts.deprecated));
  if (kind === "number") hints.push(...ofNumber(schema, texts));
  if (kind === "text") hints.push(...ofText(schema, texts));
  if (kind === "array" || kind === "choices") hints.push(...ofItems(schema, texts));
  if (kind === "any") hints.push(format(texts.any_value));
  return hints;
}

/** @param {Schema} schema @param {Record<string, string>} texts */
function* ofNumber(schema, texts) {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  if (minimum !== undefined && maximum !== undefined) {
    yield format(texts.hint_range, { minimum, maximum });
  } else if (minimum !== undefined) {
    yield format(texts.too_small, { limit: minimum });
  } else if (maximum !== undefined) {
    yield format(texts.too_large, { limit: maximum });
  }
  if (exclusiveMinimum !== undefined) yield format(texts.not_more, { limit: exclusiveMinimum });
  if (exclusiveMaximum !== undefined) yield format(texts.not_less, { limit: exclusiveMaximum });
  if (multipleOf !== undefined) yield format(texts.no_multiple, { limit: multipleOf });
}

/** @param {Schema} schema @param {Record<string, string>} texts */
function* ofText(schema, texts) {
  const { minLength, maxLength, pattern } = schema;
  if (minLength > 1) yield format(texts.too_few_letters, { limit: minLength });
  if (maxLength !== undefined) yield format(texts.too_many_letters, { limit: maxLength });
  if (typeof pattern === "string") yield format(texts.no_match, { pattern });
  if (["email", "uri", "url", "uuid"].includes(schema.format)) yield format(texts[`no_${schema.format}`]);
  if (schema.format === "date-time") yield format(texts.hint_zone, { zone: timeZone() });
}

/** @param {Schema} schema @param {Record<string, string>} texts */
function* ofItems(schema, texts) {
  const { minItems, maxItems } = schema;
  if (minItems > 0) yield format(texts.too_few_items, { limit: minItems });
  if (maxItems !== undefined) yield format(texts.too_many_items, { limit: maxItems });
}
