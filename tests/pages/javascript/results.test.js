import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { showContent } from "../../../mcp_django/pages/static/mcp_django/console/results/content.js";
import { Chance } from "./chance.js";
import { openPage } from "./page.js";
import { texts } from "./texts.js";

openPage();
beforeEach(() => document.body.replaceChildren());

const HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>';
const PIXEL = "R0lGODlhAQABAAAAACwAAAAAAQABAAA=";

function show(content, more = {}) {
  const element = showContent(content, { texts, ...more });
  document.body.replaceChildren(element);
  return element;
}

test("blocks are shown by their kind, one below the other", () => {
  const element = show({
    content: [
      { type: "text", text: "Hello" },
      { type: "image", data: PIXEL, mimeType: "image/gif" },
      { type: "audio", data: "UklGRg==", mimeType: "audio/wav" },
      { type: "resource", resource: { uri: "library://1", mimeType: "text/plain", text: "inside" } },
      { type: "resource", resource: { uri: "library://2", mimeType: "image/gif", blob: PIXEL } },
      { type: "tool_use", id: "1", name: "search", input: { a: 1 } },
      { type: "tool_result", toolUseId: "1", content: [{ type: "text", text: "found" }] },
    ],
  });
  const images = [...element.querySelectorAll("img")].map((one) => one.getAttribute("src"));
  assert.deepEqual(images, [`data:image/gif;base64,${PIXEL}`, `data:image/gif;base64,${PIXEL}`]);
  assert.ok(element.querySelector("audio[controls][aria-label]"));
  for (const text of ["Hello", "library://1", "inside", "found"]) {
    assert.ok(element.textContent.includes(text), text);
  }
});

test("results of resources and prompts, messages, lists and errors are shown", () => {
  for (const [content, text] of [
    [{ contents: [{ uri: "a://b", text: "page" }] }, "page"],
    [{ messages: [{ role: "user", content: { type: "text", text: "ask" } }] }, "userask"],
    [{ role: "assistant", content: [{ type: "text", text: "say" }] }, "say"],
    [[{ type: "text", text: "one" }, { type: "text", text: "two" }], "onetwo"],
    [{ type: "text", text: "alone" }, "alone"],
    [{ code: -32602, message: "bad", data: { why: 1 } }, "error bad"],
    [{ isError: true, content: [{ type: "text", text: "no such book" }] }, "is_errorno such book"],
    [{ content: [] }, "empty"],
    [{}, "empty"],
    [{ type: "hologram", data: "x" }, "hologram"],
    [null, "null"],
  ]) {
    assert.ok(show(content).textContent.includes(text), JSON.stringify(content));
  }
});

test("a list of objects is a table, and other values are a tree", () => {
  const rows = [{ title: "Dune", copies: 2 }, { title: "Emma", tags: ["a"] }];
  const table = show({ structuredContent: rows }).querySelector("table");
  assert.deepEqual([...table.querySelectorAll("th")].map((one) => one.textContent), ["title", "copies", "tags"]);
  assert.equal(table.querySelectorAll("tbody tr").length, 2);
  const tree = show({ structuredContent: { books: rows, none: null, [HOSTILE]: HOSTILE } });
  assert.ok(tree.querySelector("ul table"));
  assert.equal(tree.querySelector("img, script"), null);
});

test("long lists come in portions", () => {
  const rows = Array.from({ length: 300 }, (_one, at) => ({ at }));
  for (const [value, line] of [[rows, "tbody tr"], [rows.map((row) => row.at), "li"]]) {
    const element = show({ structuredContent: value });
    const counts = [element.querySelectorAll(line).length];
    for (let more; (more = [...element.querySelectorAll("button")].find((one) => one.textContent === "show_more")); ) {
      more.click();
      counts.push(element.querySelectorAll(line).length);
    }
    assert.deepEqual(counts, [50, 200, 300]);
  }
});

test("a text that only repeats the structured content is folded", () => {
  const structuredContent = { a: [1] };
  const text = JSON.stringify(structuredContent, null, 1);
  const element = show({ structuredContent, content: [{ type: "text", text }] });
  assert.equal(element.querySelector(".mcp-result-fold summary").textContent, "same_text");
});

test("a resource link is followed by its button", () => {
  const followed = [];
  const link = { type: "resource_link", uri: "javascript:alert(1)", name: HOSTILE };
  const element = show(link, { onResource: (uri) => followed.push(uri) });
  assert.equal(element.querySelector("a, img"), null);
  element.querySelector("button").click();
  assert.deepEqual(followed, ["javascript:alert(1)"]);
  assert.equal(show(link).querySelector("button"), null);
});

test("what is no image, too large or no base64 is said and not shown", () => {
  for (const [data, mimeType, text] of [
    ["AAAA", "text/html", "save"],
    ["AAAA", 'image/png" onerror="x', "save"],
    ["A".repeat(14_000_001), "image/png", "too_big"],
    [HOSTILE, "image/png", "no_base64"],
  ]) {
    const element = show({ type: "image", data, mimeType });
    assert.equal(element.querySelector("img"), null);
    assert.ok(element.textContent.includes(text), mimeType);
  }
});

test("a long text is cut between characters, and shown whole when wanted", () => {
  const text = `${"x".repeat(4_999)}😀${"y".repeat(5)}`;
  const element = show({ type: "text", text });
  assert.equal(element.querySelector(".mcp-result-text").textContent, "x".repeat(4_999));
  [...element.querySelectorAll("button")].find((one) => one.textContent === "show_all").click();
  assert.equal(element.querySelector(".mcp-result-text").textContent, text);
});

test("a text of JSON is a tree, and plain when wanted", () => {
  const element = show({ type: "text", text: '{"a": 1}' });
  assert.ok(element.querySelector("ul"));
  element.querySelector("button").click();
  assert.equal(element.querySelector(".mcp-result-text").textContent, '{"a": 1}');
});

test("objects where texts should be are shown as JSON", () => {
  const wrong = { toString: null, valueOf: 1 };
  const link = { type: "resource_link", uri: "a://b", name: wrong, title: wrong, description: wrong, mimeType: wrong, size: wrong, annotations: { audience: [wrong], priority: wrong } };
  const resource = { type: "resource", resource: { uri: wrong, mimeType: wrong, blob: "AAAA" } };
  const use = { type: "tool_use", name: wrong, input: wrong };
  const element = show({ content: [link, resource, use], messages: [{ role: wrong, content: [] }] });
  assert.ok(element.textContent.includes('{"toString":null,"valueOf":1}'));
});

test("anything that a server may send is shown somehow", () => {
  const types = ["text", "image", "audio", "resource", "resource_link", "tool_use", "tool_result"];
  for (let seed = 0; seed < 300; seed += 1) {
    const chance = new Chance(seed);
    const names = ["name", "title", "description", "size", "text", "data", "mimeType", "resource", "uri", "content", "annotations", "role", "blob"];
    const block = { ...Object.fromEntries(names.map((name) => [name, chance.any()])), type: chance.of(types) };
    const keys = ["content", "contents", "messages", "structuredContent"];
    assert.ok(show(chance.of([block, { [chance.of(keys)]: [block, chance.any()] }, { [chance.of(keys)]: chance.any() }, chance.any()])));
  }
});
