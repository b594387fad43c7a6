/** Event streams, however they are split. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { EventReader, eventsOf } from "../../../../mcp_django/pages/static/mcp_django/console/link/event_stream.js";

const TEXT =
  "\uFEFF: comment\r\nretry: 500\r\n\r\nevent: endpoint\rdata: /mcp\r\rid: 7\ndata:one\ndata:  two\n\n" +
  "id: 8\n\ndata: {}\n\ndata: lost";
const EVENTS = [
  { event: "endpoint", data: "/mcp", id: undefined },
  { event: "message", data: "one\n two", id: "7" },
  { event: "message", data: "", id: "8" },
  { event: "message", data: "{}", id: undefined },
];

test("any split of a stream gives the same events", () => {
  for (let size = 1; size <= TEXT.length; size += 1) {
    const reader = new EventReader();
    const events = [];
    for (let at = 0; at < TEXT.length; at += size) events.push(...reader.read(TEXT.slice(at, at + size)));
    assert.deepEqual(events, EVENTS, `pieces of ${size}`);
    assert.equal(reader.retry, 500);
  }
});

test("characters that are split between chunks are whole again", async () => {
  const bytes = new TextEncoder().encode("data: ü€😀\n\n");
  const body = new ReadableStream({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const events = await Array.fromAsync(eventsOf(body));
  assert.deepEqual(events.map(({ data }) => data), ["ü€😀"]);
});
