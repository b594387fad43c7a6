/** What a server offers: how it is listed, filled in, asked for and completed. */

import { isObject } from "./protocol.js";
import { expand, variablesOf } from "./uri_template.js";

/**
 * @import {Kind} from "./shares.js"
 * @typedef {Record<string, any>} Feature As the server lists it.
 * @typedef {{method: string, params: Record<string, any>}} Request
 */

/** @type {Record<Kind, {method: string, member: string, capability: string, change: string}>} */
export const LISTS = {
  tools: {
    method: "tools/list",
    member: "tools",
    capability: "tools",
    change: "notifications/tools/list_changed",
  },
  resources: {
    method: "resources/list",
    member: "resources",
    capability: "resources",
    change: "notifications/resources/list_changed",
  },
  templates: {
    method: "resources/templates/list",
    member: "resourceTemplates",
    capability: "resources",
    change: "notifications/resources/list_changed",
  },
  prompts: {
    method: "prompts/list",
    member: "prompts",
    capability: "prompts",
    change: "notifications/prompts/list_changed",
  },
};

export const KINDS = /** @type {Kind[]} */ (Object.keys(LISTS));

/**
 * Give what a feature is asked for by.
 *
 * @param {Kind} kind
 * @param {Feature} feature
 * @returns {string}
 */
export function keyOf(kind, feature) {
  if (kind === "resources") return String(feature.uri);
  if (kind === "templates") return String(feature.uriTemplate);
  return String(feature.name);
}

/**
 * Give the schema of what is filled in before a feature can be asked for.
 *
 * @param {Kind} kind
 * @param {Feature} feature
 * @returns {unknown}
 */
export function schemaOf(kind, feature) {
  if (kind === "tools") return feature.inputSchema ?? { type: "object" };
  if (kind === "prompts") {
    const given = Array.isArray(feature.arguments) ? feature.arguments.filter(isObject) : [];
    return objectOf(
      given.map(({ name, title, description, required }) => [
        String(name),
        { type: "string", ...(title && { title }), ...(description && { description }) },
        Boolean(required),
      ]),
    );
  }
  if (kind === "templates") {
    return objectOf(
      variablesOf(String(feature.uriTemplate)).map(({ name, isOptional }) => [
        name,
        { type: "string" },
        !isOptional,
      ]),
    );
  }
  return objectOf([]);
}

/**
 * @param {[string, object, boolean][]} members Name, schema, and whether it is needed.
 */
function objectOf(members) {
  return {
    type: "object",
    properties: Object.fromEntries(members.map(([name, schema]) => [name, schema])),
    required: members.filter(([, , isNeeded]) => isNeeded).map(([name]) => name),
    additionalProperties: false,
  };
}

/**
 * Make the request for a feature.
 *
 * @param {Kind} kind
 * @param {Feature} feature
 * @param {Record<string, any>} values Of its form.
 * @returns {Request}
 */
export function requestFor(kind, feature, values) {
  switch (kind) {
    case "tools":
      return { method: "tools/call", params: { name: feature.name, arguments: values } };
    case "prompts":
      return { method: "prompts/get", params: { name: feature.name, arguments: values } };
    case "templates":
      return { method: "resources/read", params: { uri: expand(feature.uriTemplate, values) } };
    default:
      return { method: "resources/read", params: { uri: feature.uri } };
  }
}

/**
 * Make the request for completions of an argument of a prompt, or a variable of a template.
 *
 * @param {Kind} kind
 * @param {Feature} feature
 * @param {string} name
 * @param {string} value What is typed so far.
 * @param {Record<string, any>} values What else is filled in.
 * @returns {Request}
 */
export function completionFor(kind, feature, name, value, values) {
  const ref =
    kind === "prompts"
      ? { type: "ref/prompt", name: feature.name }
      : { type: "ref/resource", uri: feature.uriTemplate };
  const others = Object.fromEntries(
    Object.entries(values).filter(([key, given]) => key !== name && typeof given === "string"),
  );
  return {
    method: "completion/complete",
    params: { ref, argument: { name, value }, context: { arguments: others } },
  };
}
