/**
 * What both releases of the official TypeScript SDK are made to do: everything, once.
 *
 * Used by typescript_1.mjs and typescript_2.mjs, as sdk.py does it with the Python SDK.
 */

import { readFile } from "node:fs/promises";

const BOUND_MS = 30_000;

/** Fill in the form of `test_elicitation`. */
export function answerElicitation({ params }) {
  const content = { username: params.message, email: "ann@example.com" };
  return { action: "accept", content };
}

/** Be the language model. */
export function answerSampling() {
  const content = { type: "text", text: "Paris" };
  return { role: "assistant", content, model: "a model" };
}

/**
 * Connect, do everything, close, print what it saw as one JSON object.
 *
 * @param name Package of the SDK, which is in node_modules beside this file.
 * @param client The client, which answers questions.
 * @param transport What it connects by.
 * @param call Calls a tool: takes its name, arguments and the request's options.
 */
export async function run(name, client, transport, call) {
  const late = setTimeout(() => {
    console.error("took too long");
    process.exit(1);
  }, BOUND_MS);
  client.onerror = (error) => console.error(error);
  const protocolVersion = await connect(client, transport);
  const serverInfo = client.getServerVersion();
  const sdk = await versionOf(name);
  const seen = { sdk, protocolVersion, serverInfo, ...(await use(client, call)) };
  if (protocolVersion < "2026-07-28") seen.ping = await client.ping();
  await transport.terminateSession?.();
  // Closing cuts requests off whose HTTP responses have not all come yet.
  client.onerror = undefined;
  await client.close();
  clearTimeout(late);
  console.log(JSON.stringify(seen));
}

async function versionOf(name) {
  const manifest = new URL(`node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(await readFile(manifest)).version;
}

/** Connect, and give the version that was agreed on, which the transport is told. */
async function connect(client, transport) {
  let agreed;
  const tell = transport.setProtocolVersion?.bind(transport);
  transport.setProtocolVersion = (version) => {
    agreed = version;
    tell?.(version);
  };
  await client.connect(transport);
  return agreed;
}

async function use(client, call) {
  const { tools } = await client.listTools();
  return {
    tools: tools.map((tool) => tool.name),
    call: await call("add", { a: 2, b: 3 }),
    concurrent: await callTogether(call, 20),
    resource: await client.readResource({ uri: "test://static-text" }),
    prompt: await client.getPrompt({
      name: "test_prompt_with_arguments",
      arguments: { arg1: "one", arg2: "two" },
    }),
    progress: await callWithProgress(call),
    elicitation: await call("test_elicitation", { message: "Who are you?" }),
    sampling: await call("test_sampling", { prompt: "Capital of France?" }),
    reconnection: await call("test_reconnection", {}),
    cancelled: await cancelCall(call),
  };
}

async function callTogether(call, number) {
  const texts = Array.from({ length: number }, (_, index) => `number ${index}`);
  const results = await Promise.all(
    texts.map((text) => call("slow_echo", { text, delay: 0.2 })),
  );
  return results.map((result) => result.content[0].text);
}

async function callWithProgress(call) {
  const reports = [];
  await call("test_tool_with_progress", {}, {
    onprogress: ({ progress, total }) => reports.push([progress, total]),
  });
  return reports;
}

/** Begin a long call and cancel it; tell how many ran before and after. */
async function cancelCall(call) {
  const canceller = new AbortController();
  const { signal } = canceller;
  const ended = call("slow_echo", { text: "", delay: 60 }, { signal }).then(
    () => Promise.reject(new Error("a cancelled call had a result")),
    () => undefined,
  );
  const before = await waitForEchoes(call, (running) => running.length === 1);
  canceller.abort();
  const after = await waitForEchoes(call, (running) => running.length === 0);
  await ended;
  return { before: before.length, after: after.length };
}

/** Ask which calls of `slow_echo` run until the answer is as it should be. */
async function waitForEchoes(call, isSo) {
  for (;;) {
    const result = await call("slow_echoes", {});
    const { running } = JSON.parse(result.content[0].text);
    if (isSo(running)) return running;
  }
}
