/** Both eras over a carrier in memory: what is sent, and what comes of it. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { LegacyLink } from "../../../../mcp_django/pages/static/mcp_django/console/link/legacy.js";
import { ModernLink } from "../../../../mcp_django/pages/static/mcp_django/console/link/modern.js";
import { ErrorAnswer, Lost } from "../../../../mcp_django/pages/static/mcp_django/console/link/protocol.js";
import { QuestionRefused } from "../../../../mcp_django/pages/static/mcp_django/console/link/questions.js";

/** Carries messages to a function that plays the server. */
class Carrier {
  /** @type {any[]} */
  sent = [];
  isClosed = false;

  /** @param {(message: any) => void} onSent */
  constructor(onSent) {
    this.onSent = onSent;
  }

  async open() {}

  /** @param {any} message */
  async send(message) {
    this.sent.push(message);
    this.onSent(message);
  }

  close() {
    this.isClosed = true;
  }

  /** The methods of what was sent. */
  get methods() {
    return this.sent.map(({ method }) => method);
  }
}

/**
 * @param {typeof ModernLink | typeof LegacyLink} Kind
 * @param {string} version
 * @param {(message: any, answer: (result: any) => void, link: any) => void} server
 * @param {Partial<import("../../../../mcp_django/pages/static/mcp_django/console/link/link.js").Hears>} [hears]
 */
async function connected(Kind, version, server, hears = {}) {
  const carrier = new Carrier((message) => {
    const answer = (/** @type {any} */ result) => link.receive({ jsonrpc: "2.0", id: message.id, result });
    if (message.method === "server/discover") answer({ capabilities: { tools: {} } });
    else if (message.method === "initialize") answer({ protocolVersion: version, capabilities: {} });
    else server(message, answer, link);
  });
  const all = { onQuestion: async () => ({}), onNotice: () => {}, onFault: () => {}, onLost: () => {}, ...hears };
  const link = new Kind({ carrier: /** @type {any} */ (carrier), version, hears: all });
  await link.connect();
  return { link, carrier };
}

test("a modern request goes on with the answers and the state until there is a result", async () => {
  /** @type {any[]} */
  const calls = [];
  const { link } = await connected(
    ModernLink,
    "2026-07-28",
    ({ method, params }, answer) => {
      if (method !== "tools/call") return;
      calls.push(params);
      if (calls.length === 1) {
        const inputRequests = { q: { method: "roots/list" }, r: { method: "elicitation/create", params: { message: "?" } } };
        answer({ resultType: "input_required", inputRequests, requestState: "sealed" });
      } else answer({ resultType: "complete", content: [] });
    },
    { onQuestion: async (method, params) => ({ method, ...params }) },
  );
  const result = await link.request("tools/call", { name: "ask" });

  assert.equal(result.resultType, "complete");
  assert.equal(calls[0].inputResponses, undefined);
  assert.equal(calls[1].requestState, "sealed");
  assert.equal(calls[1].name, "ask");
  assert.deepEqual(calls[1].inputResponses, {
    q: { method: "roots/list" },
    r: { method: "elicitation/create", message: "?" },
  });
});

test("a question that is refused ends the modern request", async () => {
  const { link } = await connected(
    ModernLink,
    "2026-07-28",
    ({ method }, answer) =>
      method === "tools/call" && answer({ resultType: "input_required", inputRequests: { q: { method: "roots/list" } } }),
    { onQuestion: async () => { throw new QuestionRefused(); } },
  );
  await assert.rejects(link.request("tools/call", {}), QuestionRefused);
});

test("subscriptions are wanted by a new request, and the one before is cancelled", async () => {
  const { link, carrier } = await connected(ModernLink, "2026-07-28", () => {});
  await link.subscribe("a://b", true);
  const [first, second] = carrier.sent.filter(({ method }) => method === "subscriptions/listen");

  assert.deepEqual(first.params.notifications, { toolsListChanged: true });
  assert.deepEqual(second.params.notifications, { toolsListChanged: true, resourceSubscriptions: ["a://b"] });
  const cancelled = carrier.sent.find(({ method }) => method === "notifications/cancelled");
  assert.equal(cancelled.params.requestId, first.id);
});

for (const [Kind, version] of /** @type {const} */ ([[ModernLink, "2026-07-28"], [LegacyLink, "2025-11-25"]])) {
  test(`progress, errors and cancellation in ${version}`, async () => {
    const { link, carrier } = await connected(Kind, version, ({ id, method, params }, _answer, own) => {
      if (params?.name === "slow") {
        own.receive({ method: "notifications/progress", params: { progressToken: params._meta.progressToken, progress: 1, total: 2 } });
      }
      if (method === "prompts/get") own.receive({ jsonrpc: "2.0", id, error: { code: -32602, message: "no such prompt", data: { a: 1 } } });
    });
    const controller = new AbortController();
    /** @type {any[]} */
    const reports = [];
    const slow = link.request("tools/call", { name: "slow" }, {
      signal: controller.signal,
      onProgress: (report) => reports.push(report),
    });
    assert.deepEqual(reports, [{ progress: 1, total: 2, message: undefined }]);
    controller.abort();
    await assert.rejects(slow, { name: "AbortError" });
    assert.equal(carrier.methods.at(-1), "notifications/cancelled");
    await assert.rejects(
      link.request("prompts/get", {}),
      (error) => error instanceof ErrorAnswer && error.code === -32602 && error.data.a === 1,
    );
  });

  test(`what waits fails when the connection is lost in ${version}, and that is told once`, async () => {
    /** @type {unknown[]} */
    const losses = [];
    const { link, carrier } = await connected(Kind, version, () => {}, { onLost: (error) => losses.push(error) });
    const waiting = link.request("tools/call", {});
    link.end(new Lost("1001"));
    link.end(new Lost("again"));

    await assert.rejects(waiting, /1001/);
    assert.deepEqual(losses.map(String), ["Lost: 1001"]);
    assert.ok(carrier.isClosed);
  });
}

test("a server that tells of no changes is spoken to all the same", async () => {
  /** @type {string[]} */
  const told = [];
  const { link } = await connected(
    ModernLink,
    "2026-07-28",
    ({ id, method }, answer, own) => {
      if (method === "tools/list") answer({ tools: [] });
      else own.receive({ jsonrpc: "2.0", id, error: { code: -32603, message: "no streams here" } });
    },
    {
      onFault: (method, error) => told.push(`${method}: ${/** @type {Error} */ (error).message}`),
      onLost: () => told.push("lost"),
    },
  );
  await new Promise(setImmediate);

  assert.deepEqual(told, ["subscriptions/listen: no streams here"]);
  assert.deepEqual(await link.request("tools/list", {}), { tools: [] });
});

test("a legacy session is opened, answers pings, and questions as the user does", async () => {
  const answers = { "elicitation/create": { action: "decline" } };
  const { link, carrier } = await connected(LegacyLink, "2025-06-18", () => {}, {
    onQuestion: async (method) => {
      if (method === "roots/list") throw new QuestionRefused();
      return answers[/** @type {"elicitation/create"} */ (method)];
    },
  });
  assert.deepEqual(carrier.methods, ["initialize", "notifications/initialized"]);
  for (const [id, method] of ["ping", "elicitation/create", "roots/list", "what/ever"].entries()) {
    link.receive({ jsonrpc: "2.0", id, method, params: {} });
  }
  await new Promise(setImmediate);
  const byId = new Map(carrier.sent.slice(2).map((message) => [message.id, message]));

  assert.deepEqual(byId.get(0).result, {});
  assert.deepEqual(byId.get(1).result, { action: "decline" });
  assert.equal(byId.get(2).error.code, -1);
  assert.equal(byId.get(3).error.code, -32601);
});

test("a question that the server withdraws is not answered", async () => {
  /** @type {AbortSignal | undefined} */
  let asked;
  const { link, carrier } = await connected(LegacyLink, "2025-11-25", () => {}, {
    onQuestion: (_method, _params, signal) => {
      asked = signal;
      return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    },
  });
  link.receive({ jsonrpc: "2.0", id: 5, method: "roots/list", params: {} });
  link.receive({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 5 } });
  await new Promise(setImmediate);

  assert.ok(asked?.aborted);
  assert.equal(carrier.sent.length, 2);
});
