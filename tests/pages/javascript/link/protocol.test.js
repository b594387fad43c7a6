/** What requests say of us, and headers. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  capabilitiesOf,
  headerValue,
  isModern,
  modernHeaders,
  modernRequest,
  reasonIn,
} from "../../../../mcp_django/pages/static/mcp_django/console/link/protocol.js";

test("values that headers cannot carry are encoded", () => {
  const values = {
    "": "",
    plain: "plain",
    "a b": "a b",
    " edge": "=?base64?IGVkZ2U=?=",
    "ü": "=?base64?w7w=?=",
    "line\nbreak": "=?base64?bGluZQpicmVhaw==?=",
    "=?base64?x?=": "=?base64?PT9iYXNlNjQ/eD89?=",
  };
  for (const [value, expected] of Object.entries(values)) assert.equal(headerValue(value), expected);
  assert.deepEqual([true, 3].map(headerValue), ["true", "3"]);
});

test("headers repeat what the body says, and arguments that a tool names", () => {
  const schema = {
    type: "object",
    properties: {
      region: { type: "string", "x-mcp-header": "Region" },
      where: { type: "object", properties: { zone: { type: "integer", "x-mcp-header": "Zone" } } },
      list: { type: "array", "x-mcp-header": "List" },
      plain: { type: "string" },
    },
  };
  const given = { region: "süd", where: { zone: 3 }, list: [1], plain: "p" };
  const message = modernRequest(1, "tools/call", { name: "pick", arguments: given }, "2026-07-28");

  assert.deepEqual(modernHeaders(message, "2026-07-28", schema), {
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/call",
    "Mcp-Name": "pick",
    "Mcp-Param-Region": "=?base64?c8O8ZA==?=",
    "Mcp-Param-Zone": "3",
  });
});

test("methods of other names than the protocol's own have no name", () => {
  const message = modernRequest(1, "constructor", { name: "x" }, "2026-07-28");
  assert.equal(modernHeaders(message, "2026-07-28")["Mcp-Name"], undefined);
});

test("a request says its version, client and capabilities, and keeps other members of _meta", () => {
  const { params } = modernRequest(1, "tools/list", { _meta: { mine: 1 } }, "2026-07-28", { progressToken: 1 });
  assert.deepEqual(Object.keys(params?._meta), [
    "mine",
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/clientCapabilities",
    "progressToken",
  ]);
});

test("capabilities are those that a version knows", () => {
  assert.deepEqual(capabilitiesOf("2024-11-05"), { sampling: {}, roots: {} });
  assert.deepEqual(capabilitiesOf("2025-06-18").elicitation, {});
  assert.deepEqual(capabilitiesOf("2025-11-25").elicitation, { form: {}, url: {} });
  assert.deepEqual(["2025-11-25", "2026-07-28", "2027-01-01"].map(isModern), [false, true, true]);
});

test("the reason of a refusal is found in JSON and in plain text, and not in pages", () => {
  assert.equal(reasonIn('{"error": {"code": 1, "message": "why"}}'), "why");
  assert.equal(reasonIn("needs ASGI"), "needs ASGI");
  for (const text of ["", "null", "[]", '{"a": 1}', "<html>"]) assert.equal(reasonIn(text), "", text);
});
