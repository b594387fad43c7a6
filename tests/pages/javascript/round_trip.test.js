import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, test } from "node:test";

import { makeForm } from "../../../mcp_django/pages/static/mcp_django/console/forms/form.js";
import { Chance } from "./chance.js";
import { openPage } from "./page.js";
import { texts } from "./texts.js";

openPage();
beforeEach(() => document.body.replaceChildren());

/** Hold that what is set is read back, whatever the form had before. */
function assertKeeps(schema, value, form = makeForm(schema, { texts })) {
  form.setValue(value);
  assert.deepEqual(form.value(), value, JSON.stringify(schema));
  assert.ok(Array.isArray(form.errors()));
}

// Tool name to its input schema, of the servers in this project.
const schemas = process.env.SCHEMAS ? JSON.parse(readFileSync(process.env.SCHEMAS, "utf8")) : {};

for (const [name, schema] of Object.entries(schemas)) {
  test(`a form for ${name} has fields, and gives back what was set`, () => {
    const form = makeForm(schema, { texts });
    const chance = new Chance(name.length);
    for (let turn = 0; turn < 5; turn += 1) assertKeeps(schema, chance.value(schema, schema), form);
    const unknown = makeForm(schema, { texts }).element.querySelector(".mcp-form-slot .mcp-form-why");
    assert.equal(unknown, null);
  });
}

test("forms for schemas by chance give back what was set", () => {
  for (let seed = 0; seed < 60; seed += 1) {
    const chance = new Chance(seed);
    const schema = chance.schema();
    const form = makeForm(schema, { texts });
    for (let turn = 0; turn < 3; turn += 1) assertKeeps(schema, chance.value(schema, schema), form);
  }
});

test("forms give back values that have nothing to do with their schema", () => {
  for (let seed = 1000; seed < 1100; seed += 1) {
    const chance = new Chance(seed);
    assertKeeps(chance.schema(), chance.any());
  }
});

test("what is no schema has a form all the same", () => {
  const keywords = ["type", "properties", "required", "items", "enum", "const", "anyOf", "allOf", "$ref", "title", "format", "minItems", "minimum", "pattern", "default", "if", "then", "dependentRequired", "additionalProperties", "description", "examples", "oneOf"];
  for (let seed = 0; seed < 400; seed += 1) {
    const chance = new Chance(seed);
    const entries = Array.from({ length: 1 + chance.below(4) }, () => [chance.of(keywords), chance.any()]);
    const wrong = { ...chance.of([{}, { type: "object" }, { type: "array" }, { type: "string" }]), ...Object.fromEntries(entries) };
    const schema = chance.of([wrong, { type: "object", properties: { a: wrong } }]);
    assertKeeps(schema, chance.value(schema, schema));
  }
});
