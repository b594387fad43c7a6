import assert from "node:assert/strict";
import { test } from "node:test";

import { format, number } from "../../../mcp_django/pages/static/mcp_django/console/texts.js";
import { openPage } from "./page.js";

test("values are filled into a text by their names", () => {
  assert.equal(format("{a} of {b}", { a: 1, b: "{a}" }), "1 of {a}");
});

test("a name without a value stays, and so do names that every object has", () => {
  assert.equal(format("{a} {constructor}", {}), "{a} {constructor}");
});

for (const [language, text] of [["de", "1.234,50"], ["en", "1,234.50"], ["", "1,234.50"], ["no_such", "1234.50"]]) {
  test(`a number is written as in the language of the page: ${language || "none"}`, () => {
    openPage().documentElement.lang = language;

    assert.equal(number(1234.5, 2), text);
  });
}
