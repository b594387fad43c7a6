/** The protocol's own words: versions, what requests say of us, and headers. */

/**
 * @typedef {string | number} Id
 * @typedef {{code: number, message: string, data?: unknown}} RpcError
 * @typedef {object} Message One message of JSON-RPC.
 * @property {"2.0"} jsonrpc
 * @property {Id | null} [id]
 * @property {string} [method]
 * @property {Record<string, any>} [params]
 * @property {any} [result]
 * @property {RpcError} [error]
 */

/** @typedef {"streamable-http" | "sse" | "websocket"} Binding */

export const META = {
  version: "io.modelcontextprotocol/protocolVersion",
  client: "io.modelcontextprotocol/clientInfo",
  capabilities: "io.modelcontextprotocol/clientCapabilities",
  logLevel: "io.modelcontextprotocol/logLevel",
};

export const LOG_LEVELS = [
  "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency",
];

/** The first version without sessions. */
export const MODERN = "2026-07-28";

/** Method -> the member of its parameters that the header `Mcp-Name` repeats. */
const NAMED = /** @type {Record<string, string>} */ ({
  "tools/call": "name",
  "prompts/get": "name",
  "resources/read": "uri",
});

export const CLIENT = { name: "mcp-django-console", version: "1.0.0" };

/**
 * Say whether a version has no sessions: each request says all that it needs.
 *
 * @param {string} version A date, so that versions compare as texts.
 */
export function isModern(version) {
  return version >= MODERN;
}

/**
 * Say what the console can do, in the words of a version.
 *
 * @param {string} version
 * @returns {Record<string, object>}
 */
export function capabilitiesOf(version) {
  const capabilities = { sampling: {}, roots: {} };
  if (version < "2025-06-18") return capabilities;
  return { ...capabilities, elicitation: version < "2025-11-25" ? {} : { form: {}, url: {} } };
}

/**
 * Write a value so that it may stand in a header.
 *
 * Spec: 2026-07-28 basic/transports/streamable-http, "Value Encoding".
 *
 * @param {unknown} value
 */
export function headerValue(value) {
  const text = String(value);
  const isPlain = /^[\x20-\x7e]*$/.test(text) && text === text.trim();
  if (isPlain && !(text.startsWith("=?base64?") && text.endsWith("?="))) return text;
  const bytes = new TextEncoder().encode(text);
  return `=?base64?${btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))}?=`;
}

/**
 * Give the headers of a post in version 2026-07-28, which repeat what its body says.
 *
 * @param {Message} message
 * @param {string} version
 * @param {unknown} [schema] Of the tool that is called: arguments that it names go into headers.
 * @returns {Record<string, string>}
 */
export function modernHeaders(message, version, schema) {
  const { method = "", params = {} } = message;
  /** @type {Record<string, string>} */
  const headers = { "MCP-Protocol-Version": version, "Mcp-Method": method };
  const named = Object.hasOwn(NAMED, method) ? params[NAMED[method]] : undefined;
  if (named !== undefined) headers["Mcp-Name"] = headerValue(named);
  for (const [name, value] of mirrored(schema, params.arguments)) {
    headers[`Mcp-Param-${name}`] = headerValue(value);
  }
  return headers;
}

/**
 * Make a request that says all that it needs.
 *
 * @param {Id} id
 * @param {string} method
 * @param {Record<string, any>} params
 * @param {string} version
 * @param {object} [meta] What it says beside.
 * @returns {Message}
 */
export function modernRequest(id, method, params, version, meta = {}) {
  const own = {
    [META.version]: version,
    [META.client]: CLIENT,
    [META.capabilities]: capabilitiesOf(version),
  };
  return { jsonrpc: "2.0", id, method, params: { ...params, _meta: { ...params._meta, ...own, ...meta } } };
}

/**
 * Find the arguments that a tool wants to have in headers.
 *
 * Spec: 2026-07-28 basic/transports/streamable-http, "Schema Extension".
 *
 * @param {any} schema
 * @param {any} values
 * @returns {[string, unknown][]} Of each the header's name, less its prefix, and the value.
 */
export function mirrored(schema, values) {
  const properties = schema?.properties;
  if (!isObject(properties) || !isObject(values)) return [];
  return Object.entries(properties).flatMap(([name, inner]) => {
    if (!isObject(inner) || !Object.hasOwn(values, name)) return [];
    const value = values[name];
    const header = inner["x-mcp-header"];
    /** @type {[string, unknown][]} */
    const own =
      typeof header === "string" && ["string", "number", "boolean"].includes(typeof value)
        ? [[header, value]]
        : [];
    return [...own, ...mirrored(inner, value)];
  });
}

/**
 * Say whether a value is an object of JSON.
 *
 * @param {unknown} value
 * @returns {value is Record<string, any>}
 */
export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Find the reason in the body of a refusal: an error of JSON-RPC, or plain text.
 *
 * @param {string} text
 */
export function reasonIn(text) {
  try {
    return String(JSON.parse(text)?.error?.message ?? "");
  } catch {
    return text.startsWith("<") ? "" : text.slice(0, 300);
  }
}

/** An error that the server answered a request with. */
export class ErrorAnswer extends Error {
  /** @param {RpcError} error */
  constructor(error) {
    super(error.message);
    this.name = "ErrorAnswer";
    this.code = error.code;
    this.data = error.data;
  }
}

/** Something that the server refused by a status of HTTP, before it was a request. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} message What the server says.
   */
  constructor(status, message) {
    super(message);
    this.name = "Refused";
    this.status = status;
  }
}

/** A connection that was lost, or could not be made. */
export class Lost extends Error {
  /** @param {string} [message] */
  constructor(message = "the connection is lost") {
    super(message);
    this.name = "Lost";
  }
}
