/** What is kept of messages, and commands made of them. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

import { asCurl } from "../../../../mcp_django/pages/static/mcp_django/console/link/curl.js";
import { MAX_ENTRIES, Traffic } from "../../../../mcp_django/pages/static/mcp_django/console/link/traffic.js";

/** @returns {import("../../../../mcp_django/pages/static/mcp_django/console/link/traffic.js").NewEntry} */
function entry(/** @type {string} */ method, /** @type {"in" | "out"} */ direction = "out") {
  return { direction, via: "WebSocket", message: { jsonrpc: "2.0", method } };
}

test("messages are found by what they say, and by direction", () => {
  const traffic = new Traffic();
  traffic.record(entry("tools/call"));
  traffic.record(entry("tools/list", "in"));
  const found = (/** @type {object} */ wanted) => traffic.find(wanted).map(({ number }) => number);

  assert.deepEqual(found({}), [1, 2]);
  assert.deepEqual(found({ text: "TOOLS/call" }), [1]);
  assert.deepEqual(found({ direction: "in" }), [2]);
  assert.deepEqual(found({ text: "websocket", direction: "in" }), [2]);
});

test("the oldest are left out when there are too many, and that is known", () => {
  const traffic = new Traffic();
  let told = 0;
  traffic.addEventListener("change", () => (told += 1));
  for (let i = 0; i < MAX_ENTRIES + 5; i += 1) traffic.record(entry("ping"));

  assert.equal(traffic.entries.length, MAX_ENTRIES);
  assert.equal(traffic.dropped, 5);
  assert.equal(told, MAX_ENTRIES + 5);
  traffic.clear();
  assert.equal(traffic.dropped, 0);
});

test("a shell reads from a command what was sent, whatever is in it", () => {
  const body = JSON.stringify({ text: "it's $HOME `id` \"quoted\" \\ \n !" });
  const command = asCurl({
    method: "POST",
    url: "http://site.test/mcp?a='b'",
    headers: { Authorization: "Bearer secret", "Mcp-Name": "it's" },
    body,
  });
  const script = `curl() { for part in "$@"; do printf '%s\\0' "$part"; done; }\n${command}`;
  const parts = execFileSync("sh", ["-c", script]).toString().split("\0").slice(0, -1);

  assert.deepEqual(parts, [
    "-N",
    "http://site.test/mcp?a='b'",
    ...["-H", "Authorization: Bearer YOUR_TOKEN", "-H", "Mcp-Name: it's"],
    ...["--data-binary", body],
  ]);
  assert.ok(!command.includes("secret"));
});
