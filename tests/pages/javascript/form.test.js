import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { makeForm } from "../../../mcp_django/pages/static/mcp_django/console/forms/form.js";
import { enter, openPage } from "./page.js";
import { texts } from "./texts.js";

openPage();
beforeEach(() => document.body.replaceChildren());

/** Make a form for an object with these members. */
function formOf(properties, required = Object.keys(properties), more = {}) {
  const form = makeForm({ type: "object", properties, required, ...more }, { texts });
  document.body.replaceChildren(form.element);
  return form;
}

/** Find the control with a label. */
function control(form, label) {
  const found = [...form.element.querySelectorAll("label")].find((one) =>
    one.textContent.startsWith(label),
  );
  assert.ok(found, `no label ${label}`);
  return found.control ?? found.querySelector("input");
}

function press(form, text, at = 0) {
  const found = [...form.element.querySelectorAll("button")].filter((one) => one.textContent === text);
  assert.ok(found[at], `no button ${text}`);
  found[at].click();
}

const messages = (form) => form.errors().map(({ path, message }) => `${path} ${message}`);

test("what is typed is the value, by the types of the schema", () => {
  const form = formOf({
    name: { type: "string" },
    copies: { type: "integer" },
    price: { type: "number" },
    lost: { type: "boolean" },
  });
  enter(control(form, "name"), "Dune");
  enter(control(form, "copies"), " 3 ");
  enter(control(form, "price"), "1e-1");
  enter(control(form, "lost"), true);

  assert.deepEqual(form.value(), { name: "Dune", copies: 3, price: 0.1, lost: true });
  assert.deepEqual(form.errors(), []);
});

test("what is not filled in is left out, and said to be missing where it has to be", () => {
  const form = formOf({ a: { type: "string" }, b: { type: "string" } }, ["a"]);

  assert.deepEqual(form.value(), {});
  assert.deepEqual(messages(form), ["/a missing"]);
  assert.equal(control(form, "a").getAttribute("aria-invalid"), "true");
  assert.equal(document.activeElement.className.includes("mcp-form-summary"), true);
  enter(control(form, "a"), "x");
  assert.equal(control(form, "a").getAttribute("aria-invalid"), null);
});

test("what an empty text was set to stays until one writes", () => {
  const form = formOf({ a: { type: "string" }, b: { type: ["string", "null"] } });
  form.setValue({ a: "", b: null });
  assert.deepEqual(form.value(), { a: "", b: null });
  enter(control(form, "a"), "");
  assert.deepEqual(form.value(), { b: null });
});

test("a number that is none is told of and given as it is", () => {
  const form = formOf({ n: { type: "integer", minimum: 1 } });
  for (const [text, value, errors] of [
    ["0", 0, ["/n too_small"]],
    ["1.5", 1.5, ["/n wrong_type"]],
    ["three", "three", ["/n no_number"]],
    ["12345678901234567891", 12345678901234567891, ["/n inexact"]],
    ["7", 7, []],
  ]) {
    enter(control(form, "n"), text);
    assert.deepEqual(form.value(), { n: value });
    assert.deepEqual(messages(form), errors);
  }
});

test("a boolean that does not have to be given has three states", () => {
  const form = formOf({ b: { type: "boolean" } }, []);
  const select = control(form, "b");
  const seen = ["0", "1", "-1"].map((choice) => {
    enter(select, choice);
    return form.value();
  });
  assert.deepEqual(seen, [{ b: true }, { b: false }, {}]);
});

test("titles of choices are shown, and their values given", () => {
  const titled = [
    { oneOf: [{ const: "#f00", title: "Red" }, { const: "#0f0", title: "Green" }] },
    { type: "string", enum: ["#f00", "#0f0"], enumNames: ["Red", "Green"] },
    { anyOf: [{ const: "#f00", title: "Red" }, { const: "#0f0", title: "Green" }] },
  ];
  for (const schema of titled) {
    const form = formOf({ color: schema });
    const select = control(form, "color");
    assert.deepEqual([...select.options].map((one) => one.textContent), ["choose", "Red", "Green"]);
    enter(select, "1");
    assert.deepEqual(form.value(), { color: "#0f0" });
  }
});

test("several of an elicitation's choices are check boxes", () => {
  const items = { anyOf: [{ const: 1, title: "One" }, { const: 2, title: "Two" }] };
  const form = formOf({ of: { type: "array", minItems: 1, items } });
  assert.deepEqual(messages(form), ["/of too_few_items"]);
  enter(control(form, "Two"), true);
  enter(control(form, "One"), true);
  assert.deepEqual(form.value(), { of: [2, 1] });
});

test("fields begin with the defaults, and what is set does not get them", () => {
  const form = formOf({ a: { type: "integer", default: 0 }, b: { enum: ["x", "y"], default: "y" } }, []);
  assert.deepEqual(form.value(), { a: 0, b: "y" });
  form.setValue({});
  assert.deepEqual(form.value(), {});
});

test("lists grow and shrink", () => {
  const form = formOf({ tags: { type: "array", items: { type: "string" } } }, []);
  assert.deepEqual(form.value(), {});
  press(form, "add_item");
  press(form, "add_item");
  const [first, second] = form.element.querySelectorAll("textarea");
  enter(first, "a");
  enter(second, "b");
  assert.deepEqual(form.value(), { tags: ["a", "b"] });
  press(form, "remove");
  assert.deepEqual(form.value(), { tags: ["b"] });
  press(form, "remove");
  assert.deepEqual(form.value(), {});
});

test("members that the reader names", () => {
  const form = formOf({ env: { type: "object", additionalProperties: { type: "integer" } } });
  press(form, "add_member");
  press(form, "add_member");
  const [one, oneValue, two, twoValue] = form.element.querySelectorAll("input");
  enter(one, "__proto__");
  enter(oneValue, "1");
  enter(two, "__proto__");
  enter(twoValue, "2");
  assert.deepEqual(messages(form), ["/env name_twice"]);
  enter(two, "toString");
  assert.deepEqual(Object.entries(form.value().env), [["__proto__", 1], ["toString", 2]]);
});

test("an optional object is there when it is added", () => {
  const address = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
  const form = formOf({ address }, []);
  assert.deepEqual([form.value(), form.errors()], [{}, []]);
  press(form, "add_one");
  assert.deepEqual(messages(form), ["/address/city missing"]);
  press(form, "remove");
  assert.deepEqual([form.value(), form.errors()], [{}, []]);
});

test("a union has a chooser, and shows what was set by the alternative that it is", () => {
  const anyOf = [
    { title: "Card", type: "object", properties: { kind: { const: "card" }, number: { type: "string" } }, required: ["kind", "number"] },
    { title: "Cash", type: "object", properties: { kind: { const: "cash" } }, required: ["kind"] },
    { type: "integer" },
  ];
  const form = formOf({ pay: { anyOf } });
  assert.deepEqual(form.value(), { pay: { kind: "card" } });
  assert.deepEqual(messages(form), ["/pay/number missing"]);
  const select = form.element.querySelector("select");
  assert.deepEqual([...select.options].map((one) => one.textContent), ["choose", "Card", "Cash", "type_integer"]);
  enter(select, "1");
  assert.deepEqual(form.value(), { pay: { kind: "cash" } });
  form.setValue({ pay: 7 });
  assert.equal(form.element.querySelector("select").value, "2");
});

test("what members owe each other is checked", () => {
  const schema = {
    type: "object",
    properties: { by: { enum: ["phone", "email"] }, phone: { type: "string" }, email: { type: "string" } },
    if: { properties: { by: { const: "phone" } }, required: ["by"] },
    then: { required: ["phone"] },
    anyOf: [{ required: ["phone"] }, { required: ["email"] }],
  };
  const form = makeForm(schema, { texts });
  assert.deepEqual(messages(form), [" no_alternative"]);
  form.setValue({ by: "phone", email: "a" });
  assert.deepEqual(messages(form), ["/phone phone: missing"]);
  form.setValue({ by: "phone", phone: "1" });
  assert.deepEqual(messages(form), []);
});

test("a schema that contains itself is shown as far as the reader wants", () => {
  const node = { type: "object", properties: { next: { $ref: "#/$defs/node" } }, required: ["next"] };
  const form = makeForm({ $ref: "#/$defs/node", $defs: { node } }, { texts });
  assert.deepEqual(form.value(), {});
  press(form, "add_one");
  press(form, "add_one");
  assert.deepEqual(form.value(), { next: { next: {} } });
});

test("schemas that multiply at each step stay small", () => {
  const $defs = Object.fromEntries(
    Array.from({ length: 30 }, (_, at) => {
      const $ref = `#/$defs/d${at + 1}`;
      return [`d${at}`, { type: "object", properties: { a: { $ref }, b: { $ref } }, required: ["a", "b"] }];
    }),
  );
  const form = makeForm({ $ref: "#/$defs/d0", $defs: { ...$defs, d30: true } }, { texts });
  assert.ok(form.element.querySelectorAll("*").length < 20_000);
  assert.ok(form.errors().length > 0);
});

for (const [schema, why] of [
  [{ type: "object", patternProperties: { "^x": {} } }, "why_keyword"],
  [{ $ref: "https://elsewhere.test/schema" }, "why_elsewhere"],
  [{ $ref: "#/$defs/a", $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } } }, "why_circle"],
  [{ $ref: "#/__proto__" }, "why_elsewhere"],
  [false, "why_never"],
  ["object", "why_no_schema"],
  [null, "why_no_schema"],
  [{ type: "money" }, "why_type"],
  [{ allOf: [{ pattern: "a" }, { pattern: "b" }] }, "why_both"],
  [{ anyOf: 7 }, "why_no_schema"],
  [{ type: 7 }, "why_no_schema"],
  [{ type: "object", properties: [1] }, "why_no_schema"],
  [{ enum: [] }, "why_no_schema"],
  [{ type: "array", items: [{}] }, "why_keyword"],
]) {
  test(`a schema that is not known has a JSON editor that says why: ${JSON.stringify(schema)}`, () => {
    const form = makeForm(schema, { texts });
    assert.equal(form.element.querySelector(".mcp-form-why").textContent, why);
    enter(form.element.querySelector("textarea"), '{"a": [1]}');
    assert.deepEqual(form.value(), { a: [1] });
    enter(form.element.querySelector("textarea"), "{a}");
    assert.equal(form.value(), undefined);
    assert.deepEqual(messages(form), [" no_json"]);
  });
}

test("limits that are not written as such are left out", () => {
  const form = formOf({ a: { type: "integer", required: true, minimum: 1, exclusiveMinimum: true } }, []);
  form.setValue({ a: 1 });
  assert.deepEqual([form.value(), form.errors()], [{ a: 1 }, []]);
  assert.doesNotThrow(() => makeForm({ type: "object", properties: { a: true }, required: 7 }, { texts }));
});

test("very long lists are JSON, and stay what they are", () => {
  const form = formOf({ a: { type: "array", items: { type: "integer" } }, b: { type: "object" } });
  const a = Array.from({ length: 5_000 }, (_, at) => at);
  form.setValue({ a, b: Object.fromEntries(a.map((at) => [`n${at}`, at])) });
  assert.equal(form.element.querySelectorAll(".mcp-form-json").length, 2);
  assert.equal(form.value().a.length, 5_000);
});

test("the way out to JSON and back keeps the value", () => {
  const form = formOf({ a: { type: "string" }, b: { type: "array", items: { type: "integer" } } });
  form.setValue({ a: "x\ny", b: [1, 2] });
  press(form, "as_json");
  assert.deepEqual(form.value(), { a: "x\ny", b: [1, 2] });
  enter(form.element.querySelector("textarea"), '{"a": "z", "b": [3]}');
  press(form, "as_form");
  assert.deepEqual(form.value(), { a: "z", b: [3] });
  assert.equal(form.element.querySelector(".mcp-form-json"), null);
});

test("JSON that is none stays in its editor, which says so", () => {
  const form = formOf({ a: { type: "string" } });
  press(form, "as_json");
  enter(form.element.querySelector("textarea"), '{"a": ');
  press(form, "as_form");
  assert.equal(form.element.querySelector("textarea").value, '{"a": ');
  assert.deepEqual(messages(form), [" no_json"]);
});

test("JSON is compared with the schema, too", () => {
  const form = formOf({ a: { type: "object", properties: { b: { maxLength: 1 } } } });
  press(form, "as_json");
  enter(form.element.querySelector("textarea"), '{"a": {"b": "xy"}}');
  assert.deepEqual(messages(form), ["/a/b a › b: too_many_letters"]);
});

test("names, titles and descriptions are shown and never run", () => {
  const hostile = '<img src=x onerror="alert(1)">';
  const form = formOf({
    [hostile]: { type: "string", title: hostile, description: hostile, default: hostile },
    choice: { enum: [hostile] },
  });
  assert.equal(form.element.querySelector("img, script"), null);
  assert.ok(form.element.textContent.includes(hostile));
});

test("what may follow is asked for by the name of the member", async () => {
  let told;
  const asked = new Promise((resolve) => (told = resolve));
  const complete = async (name, text) => {
    told([name, text]);
    return ["Dune"];
  };
  const schema = { type: "object", properties: { book: { type: "string" } } };
  const form = makeForm(schema, { texts, complete });
  document.body.replaceChildren(form.element);
  const shown = new Promise((resolve) => {
    const list = form.element.querySelector("datalist");
    new document.defaultView.MutationObserver(() => resolve(list.options[0].value)).observe(list, { childList: true });
  });
  enter(control(form, "book"), "Du");
  assert.deepEqual(await asked, ["book", "Du"]);
  assert.equal(await shown, "Dune");
});

test("moments are given with an offset, and stay as they were set until one writes", () => {
  const form = formOf({ at: { type: "string", format: "date-time" } });
  form.setValue({ at: "2026-01-02T03:04:05.678Z" });
  assert.deepEqual(form.value(), { at: "2026-01-02T03:04:05.678Z" });
  enter(control(form, "at"), "2026-01-02T03:04");
  assert.match(form.value().at, /^2026-01-02T03:04:00[+-]\d\d:\d\d$/);
  assert.deepEqual(form.errors(), []);
});
