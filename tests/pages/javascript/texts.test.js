import assert from "node:assert/strict";
import { test } from "node:test";

import { format } from "../../../mcp_django/pages/static/mcp_django/console/texts.js";

test("values are filled into a text by their names", () => {
  assert.equal(format("{a} of {b}", { a: 1, b: "{a}" }), "1 of {a}");
});

test("a name without a value stays, and so do names that every object has", () => {
  assert.equal(format("{a} {constructor}", {}), "{a} {constructor}");
});
