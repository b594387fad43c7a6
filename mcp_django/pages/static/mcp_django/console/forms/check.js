/** What a value is not that its schema wants. The server decides; this tells it earlier. */

import { includes, isObject, same, typeOf } from "../json.js";
import { textOf } from "../texts.js";
import { matchesFormat } from "./formats.js";
import { find, Unknown } from "./schema.js";

/** @import {Schema} from "./schema.js" */
/** @typedef {{path: (string | number)[], text: string, values: Record<string, unknown>}} Fault */

const MAX_DEPTH = 100;
const MAX_STEPS = 100_000;
const MAX_PATTERN_TEXT = 500;

/** How many schemas may still be looked at: some lead to themselves on many ways. */
let stepsLeft = 0;

/**
 * Compare a value with its schema.
 *
 * What this does not know is taken to hold.
 *
 * @param {unknown} schema
 * @param {any} value
 * @param {Schema} root What references are resolved in.
 * @returns {Fault[]} Empty when nothing is wrong; texts are keys of the page's texts.
 */
export function check(schema, value, root) {
  stepsLeft = MAX_STEPS;
  return [...faults(schema, value, root, [], 0)];
}

/**
 * Compare a value with its schema, but not what is in it.
 *
 * @param {Schema} schema Without references, and without the alternatives of a union.
 * @param {any} value
 * @param {Schema} root
 * @returns {Fault[]}
 */
export function checkOutside(schema, value, root) {
  stepsLeft = MAX_STEPS;
  return [
    ...ownFaults(schema, value, []),
    ...rules(schema, value, root, [], 0),
    ...alternatives(schema, value, root, [], 0),
  ];
}

/**
 * @param {unknown} schema
 * @param {any} value
 * @param {Schema} root
 * @param {Fault["path"]} path
 * @param {number} depth
 * @returns {Generator<Fault>}
 */
function* faults(schema, value, root, path, depth) {
  if (schema === false) yield fault(path, "not_allowed");
  stepsLeft -= 1;
  if (!isObject(schema) || depth > MAX_DEPTH || stepsLeft < 0) return;
  if (schema.$ref !== undefined) {
    const target = found(root, schema.$ref);
    if (target !== undefined) yield* faults(target, value, root, path, depth + 1);
  }
  yield* ownFaults(schema, value, path);
  yield* rules(schema, value, root, path, depth);
  for (const part of list(schema.allOf)) {
    yield* faults(part, value, root, path, depth + 1);
  }
  yield* alternatives(schema, value, root, path, depth);
  if (Array.isArray(value)) yield* ofItems(schema, value, root, path, depth);
  if (isObject(value)) yield* ofMembers(schema, value, root, path, depth);
}

/** @param {Schema} root @param {unknown} reference */
function found(root, reference) {
  try {
    return find(root, reference);
  } catch (error) {
    if (error instanceof Unknown) return undefined;
    throw error;
  }
}

/** @param {unknown} value @returns {any[]} */
function list(value) {
  return Array.isArray(value) ? value : [];
}

/** @param {unknown} value @returns {string[]} */
function names(value) {
  return list(value).filter((name) => typeof name === "string");
}

/**
 * @param {Fault["path"]} path
 * @param {string} text
 * @param {Record<string, unknown>} [values]
 * @returns {Fault}
 */
function fault(path, text, values = {}) {
  return { path, text, values };
}

/**
 * What is wrong with the value itself.
 *
 * @param {Schema} schema
 * @param {any} value
 * @param {Fault["path"]} path
 * @returns {Generator<Fault>}
 */
function* ownFaults(schema, value, path) {
  if (schema.type !== undefined && !isOfType(value, schema.type)) {
    yield fault(path, "wrong_type", { type: [schema.type].flat().map(textOf).join(", ") });
    return;
  }
  if ("const" in schema && !same(schema.const, value)) {
    yield fault(path, "wrong_const", { value: JSON.stringify(schema.const) });
  }
  if (Array.isArray(schema.enum) && !includes(schema.enum, value)) {
    yield fault(path, "wrong_choice");
  }
  if (typeof value === "number") yield* ofNumber(schema, value, path);
  if (typeof value === "string") yield* ofText(schema, value, path);
  if (Array.isArray(value)) {
    yield* ofSize(value.length, schema.minItems, schema.maxItems, "items", path);
    const isRepeated = () => value.some((one, at) => includes(value.slice(0, at), one));
    if (schema.uniqueItems === true && value.length < 1000 && isRepeated()) {
      yield fault(path, "repeated");
    }
  }
  if (isObject(value)) {
    const size = Object.keys(value).length;
    yield* ofSize(size, schema.minProperties, schema.maxProperties, "members", path);
  }
}

/** @param {any} value @param {unknown} types */
function isOfType(value, types) {
  const own = typeOf(value);
  return [types].flat().some((type) => type === own || (type === "integer" && Number.isInteger(value)));
}

const NUMBERS = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];

/**
 * @param {Schema} schema
 * @param {number} value
 * @param {Fault["path"]} path
 */
function* ofNumber(schema, value, path) {
  const [minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf] = NUMBERS.map(
    // No number is less than NaN, or more.
    (name) => (typeof schema[name] === "number" ? schema[name] : Number.NaN),
  );
  if (value < minimum) yield fault(path, "too_small", { limit: minimum });
  if (value > maximum) yield fault(path, "too_large", { limit: maximum });
  if (value <= exclusiveMinimum) yield fault(path, "not_more", { limit: exclusiveMinimum });
  if (value >= exclusiveMaximum) yield fault(path, "not_less", { limit: exclusiveMaximum });
  if (multipleOf > 0) {
    const times = value / multipleOf;
    // Tenths are not exact in binary.
    if (Math.abs(times - Math.round(times)) > 1e-9 * Math.max(1, Math.abs(times))) {
      yield fault(path, "no_multiple", { limit: multipleOf });
    }
  }
}

/**
 * @param {Schema} schema
 * @param {string} value
 * @param {Fault["path"]} path
 */
function* ofText(schema, value, path) {
  yield* ofSize([...value].length, schema.minLength, schema.maxLength, "letters", path);
  if (typeof schema.pattern === "string" && !matchesPattern(schema.pattern, value)) {
    yield fault(path, "no_match", { pattern: schema.pattern });
  }
  if (typeof schema.format === "string" && !matchesFormat(schema.format, value)) {
    yield fault(path, `no_${schema.format.replaceAll("-", "_")}`);
  }
}

/**
 * @param {number} size
 * @param {unknown} least
 * @param {unknown} most
 * @param {string} of Of what there are too few or too many.
 * @param {Fault["path"]} path
 */
function* ofSize(size, least, most, of, path) {
  if (typeof least === "number" && size < least) {
    yield fault(path, `too_few_${of}`, { limit: least, size });
  }
  if (typeof most === "number" && size > most) {
    yield fault(path, `too_many_${of}`, { limit: most, size });
  }
}

/**
 * Say whether a text has a pattern; true where finding out could take forever.
 *
 * @param {string} pattern
 * @param {string} text
 */
export function matchesPattern(pattern, text) {
  const repeatsGroup = /\)[*+{]/.test(pattern) || /\\[1-9]|\\k</.test(pattern);
  const repeats = pattern.match(/[*+}]/g)?.length ?? 0;
  const isCostly = repeatsGroup || repeats > 3;
  if (text.length > MAX_PATTERN_TEXT || (isCostly && text.length > 20)) return true;
  try {
    return new RegExp(pattern, "u").test(text);
  } catch {
    // Another dialect than JavaScript's.
    return true;
  }
}

/**
 * What members and items owe each other.
 *
 * @param {Schema} schema
 * @param {any} value
 * @param {Schema} root
 * @param {Fault["path"]} path
 * @param {number} depth
 * @returns {Generator<Fault>}
 */
function* rules(schema, value, root, path, depth) {
  const holds = (/** @type {unknown} */ part, /** @type {any} */ of) =>
    faults(part, of, root, path, depth + 1).next().done === true;
  if (schema.not !== undefined && holds(schema.not, value)) yield fault(path, "not_allowed");
  if (Array.isArray(value) && schema.contains !== undefined && schema.minContains !== 0) {
    if (!value.some((item) => holds(schema.contains, item))) yield fault(path, "nothing_such");
  }
  if (!isObject(value)) return;
  for (const [name, others] of Object.entries(schema.dependentRequired ?? {})) {
    for (const other of Object.hasOwn(value, name) ? names(others) : []) {
      if (!Object.hasOwn(value, other)) yield fault(path, "goes_with", { name, other });
    }
  }
  for (const name of schema.propertyNames === undefined ? [] : Object.keys(value)) {
    if (!holds(schema.propertyNames, name)) yield fault(path, "wrong_name", { name });
  }
}

/**
 * @param {Schema} schema
 * @param {any} value
 * @param {Schema} root
 * @param {Fault["path"]} path
 * @param {number} depth
 * @returns {Generator<Fault>}
 */
function* alternatives(schema, value, root, path, depth) {
  const holding = (/** @type {unknown[]} */ parts) =>
    parts.filter((part) => faults(part, value, root, path, depth + 1).next().done);
  for (const parts of [list(schema.anyOf), list(schema.oneOf)]) {
    if (parts.length && !holding(parts).length) yield fault(path, "no_alternative");
  }
  if (holding(list(schema.oneOf)).length > 1) yield fault(path, "several_alternatives");
  if (schema.if !== undefined) {
    const next = holding([schema.if]).length ? schema.then : schema.else;
    yield* faults(next, value, root, path, depth + 1);
  }
}

/**
 * @param {Schema} schema
 * @param {any[]} value
 * @param {Schema} root
 * @param {Fault["path"]} path
 * @param {number} depth
 * @returns {Generator<Fault>}
 */
function* ofItems(schema, value, root, path, depth) {
  const first = list(schema.prefixItems);
  for (const [at, item] of value.entries()) {
    yield* faults(first[at] ?? schema.items, item, root, [...path, at], depth + 1);
  }
}

/**
 * @param {Schema} schema
 * @param {Record<string, any>} value
 * @param {Schema} root
 * @param {Fault["path"]} path
 * @param {number} depth
 * @returns {Generator<Fault>}
 */
function* ofMembers(schema, value, root, path, depth) {
  for (const name of names(schema.required)) {
    if (!Object.hasOwn(value, name)) yield fault([...path, name], "missing");
  }
  const properties = isObject(schema.properties) ? schema.properties : {};
  const patterns = Object.entries(schema.patternProperties ?? {});
  for (const [name, member] of Object.entries(value)) {
    const inside = [...path, name];
    const parts = patterns.filter(([pattern]) => matchesPattern(pattern, name));
    if (Object.hasOwn(properties, name)) {
      yield* faults(properties[name], member, root, inside, depth + 1);
    } else if (!parts.length && schema.additionalProperties === false) {
      yield fault(inside, "unknown_member", { name });
    } else if (!parts.length) {
      yield* faults(schema.additionalProperties, member, root, inside, depth + 1);
    }
    for (const [, part] of parts) yield* faults(part, member, root, inside, depth + 1);
  }
}
