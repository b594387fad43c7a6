/** What a JSON Schema says, made simple: references followed, and parts put together. */

import { includes, isObject, same } from "../json.js";

/** @typedef {Record<string, any>} Schema */

/** Says that the form cannot show a schema, and why. */
export class Unknown extends Error {
  /**
   * @param {string} text Key of the text that says why.
   * @param {Record<string, unknown>} [values] What the text is filled with.
   */
  constructor(text, values = {}) {
    super(text);
    this.text = text;
    this.values = values;
  }
}

const MAX_STEPS = 64;

/** How keywords are written that fields are made of; without them there is no field. */
const isList = (/** @type {unknown} */ value) => Array.isArray(value) && value.length > 0;
/** @type {Record<string, (value: any) => boolean>} */
const NEEDED = {
  type: (value) => [value].flat().every((type) => typeof type === "string"),
  properties: isObject,
  enum: isList,
  anyOf: isList,
  oneOf: isList,
  allOf: Array.isArray,
};
/** Those that only limit are left out when they are written otherwise, as in old drafts. */
const LIMITS = /^(min|max)[A-Z]\w+$|^(minimum|maximum|exclusiveMinimum|exclusiveMaximum|multipleOf)$/;

/** Keywords that say something to readers, where the outer one is the better. */
const ANNOTATIONS = new Set([
  ...["title", "description", "default", "examples", "deprecated", "readOnly"],
  ...["$comment", "$schema", "$id", "$defs", "definitions"],
]);

/**
 * Give a schema without `$ref` and `allOf`.
 *
 * @param {unknown} schema
 * @param {Schema} root What references are resolved in.
 * @param {Set<string>} [followed] Gets the references that were followed.
 * @returns {Schema}
 * @throws {Unknown} It refers elsewhere or to itself, or its parts contradict each other.
 */
export function resolve(schema, root, followed = new Set()) {
  let steps = 0;
  /** @param {unknown} part @returns {Schema} */
  const flat = (part) => {
    steps += 1;
    if (steps > MAX_STEPS) throw new Unknown("why_circle");
    if (part === true) return {};
    if (part === false) throw new Unknown("why_never");
    if (!isObject(part)) throw new Unknown("why_no_schema");
    const { $ref, allOf = [], ...rest } = wellWritten(part);
    const parts = [...allOf];
    if ($ref !== undefined) {
      parts.unshift(find(root, $ref));
      followed.add($ref);
    }
    return [...parts.map(flat), rest].reduce(merge, {});
  };
  return flat(schema);
}

/** @param {unknown} value */
function isListOfTexts(value) {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

/**
 * @param {Schema} schema
 * @returns {Schema}
 */
function wellWritten(schema) {
  const keywords = Object.entries(schema).filter(([keyword, value]) => {
    const isRight = Object.hasOwn(NEEDED, keyword) ? NEEDED[keyword] : undefined;
    if (isRight && !isRight(value)) throw new Unknown("why_no_schema");
    if (keyword === "required") return isListOfTexts(value);
    return !LIMITS.test(keyword) || typeof value === "number";
  });
  return Object.fromEntries(keywords);
}

/**
 * Find what a reference names.
 *
 * @param {Schema} root
 * @param {unknown} reference Such as "#/$defs/Book".
 * @returns {unknown}
 * @throws {Unknown} It is not in this document.
 */
export function find(root, reference) {
  if (typeof reference !== "string" || !/^#(\/|$)/.test(reference)) {
    throw new Unknown("why_elsewhere", { reference });
  }
  /** @type {any} */
  let found = root;
  for (const part of reference.split("/").slice(1)) {
    const key = unescaped(part);
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, key)) {
      throw new Unknown("why_elsewhere", { reference });
    }
    found = found[key];
  }
  return found;
}

/** @param {string} part */
function unescaped(part) {
  try {
    part = decodeURIComponent(part);
  } catch {
    // A percent sign that stands for itself.
  }
  return part.replaceAll("~1", "/").replaceAll("~0", "~");
}

/**
 * Put two schemas together that both have to hold.
 *
 * @param {Schema} inner
 * @param {Schema} outer Its texts win.
 * @returns {Schema}
 * @throws {Unknown} It takes more than this to say both at once.
 */
export function merge(inner, outer) {
  const merged = new Map(Object.entries(inner));
  for (const [keyword, value] of Object.entries(outer)) {
    const other = merged.get(keyword);
    if (other === undefined || ANNOTATIONS.has(keyword) || same(other, value)) {
      merged.set(keyword, value);
    } else {
      merged.set(keyword, both(keyword, other, value));
    }
  }
  return Object.fromEntries(merged);
}

/**
 * @param {string} keyword
 * @param {any} first
 * @param {any} second
 * @returns {unknown}
 */
function both(keyword, first, second) {
  if (/^(minimum|exclusiveMinimum|min[A-Z]\w+)$/.test(keyword)) {
    return Math.max(first, second);
  }
  if (/^(maximum|exclusiveMaximum|max[A-Z]\w+)$/.test(keyword)) {
    return Math.min(first, second);
  }
  switch (keyword) {
    case "required":
      return [...new Set([...first, ...second])];
    case "properties":
      return bothProperties(first, second);
    case "enum":
      return first.filter((/** @type {any} */ one) => includes(second, one));
    case "type":
      return bothTypes([first].flat(), [second].flat());
    case "items":
    case "additionalProperties":
      return first === false || second === false ? false : { allOf: [first, second] };
    case "uniqueItems":
      return first || second;
    default:
      throw new Unknown("why_both", { keyword });
  }
}

/** @param {Schema} first @param {Schema} second */
function bothProperties(first, second) {
  const properties = new Map(Object.entries(first));
  for (const [name, schema] of Object.entries(second)) {
    const other = properties.get(name);
    properties.set(name, other === undefined ? schema : { allOf: [other, schema] });
  }
  return Object.fromEntries(properties);
}

/** @param {string[]} first @param {string[]} second */
function bothTypes(first, second) {
  const types = first.filter(
    (type) => second.includes(type) || (type === "integer" && second.includes("number")),
  );
  if (second.includes("integer") && first.includes("number")) types.push("integer");
  if (!types.length) throw new Unknown("why_never");
  return types.length === 1 ? types[0] : [...new Set(types)];
}
