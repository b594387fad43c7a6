/** URI templates, forms of features, and links to calls. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { completionFor, requestFor, schemaOf } from "../../../../mcp_django/pages/static/mcp_django/console/link/features.js";
import { readCall, writeCall } from "../../../../mcp_django/pages/static/mcp_django/console/link/shares.js";
import { expand, variablesOf } from "../../../../mcp_django/pages/static/mcp_django/console/link/uri_template.js";

test("templates are expanded as RFC 6570 shows", () => {
  const values = { var: "value", hello: "Hello World!", path: "/foo/bar", x: "1024", y: "768", empty: "" };
  const examples = {
    "{var}": "value",
    "{hello}": "Hello%20World%21",
    "{+hello}": "Hello%20World!",
    "{+path}/here": "/foo/bar/here",
    "{#path}": "#/foo/bar",
    "map?{x,y}": "map?1024,768",
    "{.x,y}": ".1024.768",
    "{/var,x}/here": "/value/1024/here",
    "{;x,y}": ";x=1024;y=768",
    "{?x,y,undef}": "?x=1024&y=768",
    "?fixed=yes{&x}": "?fixed=yes&x=1024",
    "{var:3}": "val",
    "{path*}": "%2Ffoo%2Fbar",
    "{undef}": "",
  };
  for (const [template, uri] of Object.entries(examples)) assert.equal(expand(template, values), uri, template);
});

test("variables are named once, and those of queries may be left out", () => {
  assert.deepEqual(variablesOf("a://{x}/{+path*}{?q,x}"), [
    { name: "x", isOptional: false },
    { name: "path", isOptional: false },
    { name: "q", isOptional: true },
  ]);
});

test("each kind of feature has its form and its request", () => {
  const template = { uriTemplate: "a://{id}{?q}" };
  assert.deepEqual(schemaOf("templates", template), {
    type: "object",
    properties: { id: { type: "string" }, q: { type: "string" } },
    required: ["id"],
    additionalProperties: false,
  });
  assert.deepEqual(requestFor("templates", template, { id: "a b" }), {
    method: "resources/read",
    params: { uri: "a://a%20b" },
  });
  const prompt = { name: "p", arguments: [{ name: "mood", description: "How", required: true }] };
  assert.deepEqual(schemaOf("prompts", prompt), {
    type: "object",
    properties: { mood: { type: "string", description: "How" } },
    required: ["mood"],
    additionalProperties: false,
  });
  assert.deepEqual(completionFor("prompts", prompt, "mood", "h", { mood: "h", other: "x", n: 1 }).params, {
    ref: { type: "ref/prompt", name: "p" },
    argument: { name: "mood", value: "h" },
    context: { arguments: { other: "x" } },
  });
});

test("a call comes back from its link as it was", () => {
  /** @type {import("../../../../mcp_django/pages/static/mcp_django/console/link/shares.js").Call} */
  const call = { kind: "tools", name: "a&b=ü#?", values: { text: "<&=#+ %", list: [1, null], deep: { x: true } } };
  assert.deepEqual(readCall(writeCall(call)), call);
});

test("fragments that are no calls are nothing", () => {
  for (const fragment of [
    "",
    "#",
    "#content",
    "#tools=x&with=",
    "#tools=x&with={",
    "#tools=x&with=[1]",
    "#tools=x&with=null",
    `#tools=${"x".repeat(200_000)}`,
  ]) {
    assert.equal(readCall(fragment), undefined, fragment.slice(0, 40));
  }
  assert.deepEqual(readCall("#resources=a%3A%2F%2Fb"), { kind: "resources", name: "a://b", values: {} });
});
