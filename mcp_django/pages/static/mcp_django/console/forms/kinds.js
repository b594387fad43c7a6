/** Which kind of field a schema is shown by. */

import { includes, isObject } from "../json.js";
import { textOf } from "../texts.js";
import { merge, resolve, Unknown } from "./schema.js";

/** @import {Schema} from "./schema.js" */
/** @typedef {{label: string, value: any}} Choice */
/** @typedef {{label: string | null, type: string, schema: Schema}} Branch */
/**
 * @typedef {object} Kind
 * @property {"text" | "number" | "boolean" | "choice" | "choices" | "object" | "map" | "array"
 *   | "union" | "null" | "any" | "unknown"} kind
 * @property {Schema} schema Without references, and without what `branches` say.
 * @property {boolean} nullable Whether null is right, too.
 * @property {Choice[]} [choices] What there is to choose from.
 * @property {Branch[]} [branches] The alternatives of a union.
 * @property {Set<string>} followed The references that were followed.
 * @property {Unknown} [why] Why it is unknown.
 */

/** Keywords by which members or items come and go; JSON is the better editor for them. */
const UNKNOWN = [
  ...["patternProperties", "dependentSchemas", "dependencies", "prefixItems"],
  ...[ "additionalItems", "$dynamicRef", "$recursiveRef"],
];

const MOST_CHECKBOXES = 12;

/**
 * Find the kind of field for a schema.
 *
 * @param {unknown} schema
 * @param {Schema} root What references are resolved in.
 * @returns {Kind}
 */
export function kindOf(schema, root) {
  /** @type {Set<string>} */
  const followed = new Set();
  try {
    return { ...simple(resolve(schema, root, followed), root, followed, 0), followed };
  } catch (error) {
    if (!(error instanceof Unknown)) throw error;
    const own = isObject(schema) ? schema : {};
    return { kind: "unknown", schema: own, nullable: false, why: error, followed };
  }
}

/** @typedef {Omit<Kind, "followed">} Found */

/**
 * @param {Schema} schema
 * @param {Schema} root
 * @param {Set<string>} followed
 * @param {number} depth How many unions of one alternative are around.
 * @returns {Found}
 */
function simple(schema, root, followed, depth) {
  if (depth > 8) throw new Unknown("why_circle");
  for (const keyword of UNKNOWN) {
    if (Object.hasOwn(schema, keyword)) throw new Unknown("why_keyword", { keyword });
  }
  if (!onlyRules([schema.then, schema.else], schema)) {
    throw new Unknown("why_keyword", { keyword: "if" });
  }
  const choices = choicesOf(schema, root);
  if (choices) {
    const nullable = choices.some((choice) => choice.value === null);
    return { kind: "choice", schema, nullable, choices };
  }
  const alternatives = [schema.anyOf, schema.oneOf].flat().filter((one) => one !== undefined);
  if (alternatives.length && !(hasMembers(schema) && onlyRules(alternatives, schema))) {
    return unionOf(schema, root, followed, depth);
  }
  const types = typesOf(schema);
  const nullable = types.includes("null");
  const others = types.filter((type) => type !== "null");
  if (others.length > 1) {
    const { title, description, default: given, ...rest } = schema;
    const branches = types.map((type) => ({
      label: null,
      type,
      schema: onlyFor(type, { ...rest, type }),
    }));
    return { kind: "union", schema, nullable, branches };
  }
  if (!types.length) return { kind: "any", schema, nullable: true };
  return byType(others[0] ?? "null", schema, nullable, root);
}

/**
 * @param {string} type
 * @param {Schema} schema
 * @param {boolean} nullable
 * @param {Schema} root
 * @returns {Found}
 */
function byType(type, schema, nullable, root) {
  switch (type) {
    case "string":
      return { kind: "text", schema, nullable };
    case "integer":
    case "number":
      return { kind: "number", schema, nullable };
    case "boolean":
      return { kind: "boolean", schema, nullable };
    case "null":
      return { kind: "null", schema, nullable };
    case "object": {
      // Where members are told of, even none, the others are not asked for.
      const others = schema.additionalProperties ?? !("properties" in schema);
      const isMap = !hasMembers(schema) && others !== false;
      return orNull(isMap ? "map" : "object", schema, nullable);
    }
    case "array": {
      // Draft 7 has them one by one.
      if (Array.isArray(schema.items)) throw new Unknown("why_keyword", { keyword: "items" });
      const choices = itemChoices(schema, root);
      if (choices) return { kind: "choices", schema, nullable, choices };
      return orNull("array", schema, nullable);
    }
    default:
      throw new Unknown("why_type", { type });
  }
}

/**
 * Say whether schemas only tell which of the members there are have to be there: what the
 * form need not show, and is checked.
 *
 * @param {unknown[]} parts
 * @param {Schema} schema Has the members.
 */
function onlyRules(parts, schema) {
  return parts.every((part) => {
    if (!isObject(part)) return part === undefined || typeof part === "boolean";
    const names = Array.isArray(part.required) ? part.required : [];
    const isKnown = names.every((name) => Object.hasOwn(schema.properties ?? {}, name));
    return isKnown && Object.keys(part).every((keyword) => keyword === "required");
  });
}

/** @param {Schema} schema */
function hasMembers(schema) {
  return Boolean(Object.keys(schema.properties ?? {}).length || schema.required?.length);
}

/**
 * Give a composite kind; what may also be null is a union of the two.
 *
 * @param {"map" | "object" | "array"} kind
 * @param {Schema} schema
 * @param {boolean} nullable
 * @returns {Found}
 */
function orNull(kind, schema, nullable) {
  if (!nullable) return { kind, schema, nullable };
  const { title, description, default: given, anyOf, oneOf, ...rest } = schema;
  const type = kind === "array" ? "array" : "object";
  const branches = [
    { label: null, type, schema: { ...rest, type } },
    { label: null, type: "null", schema: { type: "null" } },
  ];
  return { kind: "union", schema, nullable, branches };
}

/**
 * @param {Schema} schema
 * @param {Schema} root
 * @param {Set<string>} followed
 * @param {number} depth
 * @returns {Found}
 */
function unionOf(schema, root, followed, depth) {
  const { anyOf, oneOf, ...base } = schema;
  /** @type {unknown[]} */
  const alternatives = anyOf ?? oneOf;
  if (anyOf !== undefined && oneOf !== undefined) {
    throw new Unknown("why_both", { keyword: "anyOf, oneOf" });
  }
  const found = alternatives.map((one) => resolve(one, root, followed));
  const others = found.filter((one) => !isNull(one));
  const nullable = others.length < found.length;
  const { title, description, default: given, examples, ...rules } = base;
  const only = others[0];
  if (only && others.length === 1) {
    const types = typesOf(merge(only, rules));
    const one = { ...merge(only, base), ...(nullable ? { type: [...types, "null"] } : {}) };
    // Without a type anything goes, null too.
    if (!types.length) delete one.type;
    return simple(one, root, followed, depth + 1);
  }
  if (!others.length) return { kind: "null", schema: base, nullable };
  const branches = found.map((one) => ({
    label: labelOf(one),
    type: isNull(one) ? "null" : String(typesOf(merge(one, rules))[0] ?? ""),
    schema: isNull(one) ? { type: "null" } : merge(rules, one),
  }));
  return { kind: "union", schema: base, nullable, branches };
}

/** @param {Schema} schema */
function isNull(schema) {
  return schema.type === "null" || ("const" in schema && schema.const === null);
}

/**
 * Name an alternative by its title, or by the member that tells it from the others.
 *
 * @param {Schema} schema
 * @returns {string | null}
 */
function labelOf(schema) {
  if (typeof schema.title === "string" && schema.title) return schema.title;
  const members = Object.values(isObject(schema.properties) ? schema.properties : {});
  const fixed = members.find((member) => isObject(member) && "const" in member);
  if (fixed) return labelOfValue(fixed.const);
  return Array.isArray(schema.required) && !schema.type && schema.required.length
    ? schema.required.join(", ")
    : null;
}

/**
 * Give the types that a schema allows, as it says or as its keywords let one guess.
 *
 * @param {Schema} schema
 * @returns {string[]}
 */
function typesOf(schema) {
  if (Array.isArray(schema.type)) {
    const types = [...new Set(schema.type.map(String))];
    // A whole number is a number.
    return types.includes("number") ? types.filter((type) => type !== "integer") : types;
  }
  if (schema.type !== undefined) return [String(schema.type)];
  if ("properties" in schema || "additionalProperties" in schema) return ["object"];
  if ("required" in schema) return ["object"];
  if ("items" in schema) return ["array"];
  if ("pattern" in schema || "format" in schema || "maxLength" in schema) return ["string"];
  if ("minimum" in schema || "maximum" in schema) return ["number"];
  return [];
}

/**
 * Leave out the limits that are for other types.
 *
 * @param {string} type
 * @param {Schema} schema
 * @returns {Schema}
 */
function onlyFor(type, schema) {
  if (type === "object") return schema;
  const { properties, required, additionalProperties, ...rest } = schema;
  return rest;
}

/**
 * Give what there is to choose from; undefined when anything else may be given.
 *
 * @param {Schema} schema
 * @param {Schema} root
 * @returns {Choice[] | undefined}
 */
function choicesOf(schema, root) {
  if ("const" in schema) return [{ label: labelOfValue(schema.const), value: schema.const }];
  if (Array.isArray(schema.enum)) {
    /** @type {unknown[]} */
    const names = Array.isArray(schema.enumNames) ? schema.enumNames : [];
    return schema.enum.map((value, index) => ({
      label: typeof names[index] === "string" ? names[index] : labelOfValue(value),
      value,
    }));
  }
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (!Array.isArray(alternatives) || !alternatives.length) return undefined;
  /** @type {Choice[]} */
  const choices = [];
  let count = 0;
  for (const alternative of alternatives) {
    const one = resolve(alternative, root);
    if ("const" in one) {
      const label = textOf(one.title ?? labelOfValue(one.const));
      choices.push({ label, value: one.const });
      count += 1;
    } else if (Array.isArray(one.enum)) {
      choices.push(.../** @type {Choice[]} */ (choicesOf(one, root)));
      count += 1;
    } else if (one.type === "null") {
      choices.push({ label: labelOfValue(null), value: null });
    } else {
      return undefined;
    }
  }
  const values = choices.map((choice) => choice.value);
  const isRepeated = values.some((value, at) => includes(values.slice(0, at), value));
  return count && !isRepeated ? choices : undefined;
}

/**
 * @param {Schema} schema
 * @param {Schema} root
 */
function itemChoices(schema, root) {
  if (!isObject(schema.items)) return undefined;
  const choices = choicesOf(resolve(schema.items, root), root);
  return choices && choices.length <= MOST_CHECKBOXES ? choices : undefined;
}

/** @param {any} value */
function labelOfValue(value) {
  return typeof value === "string" && value ? value : JSON.stringify(value);
}
