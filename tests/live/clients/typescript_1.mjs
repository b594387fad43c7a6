/**
 * A client program by the official TypeScript SDK, 1.x: does all, prints what it saw.
 *
 *     node typescript_1.mjs sse|http|websocket URL
 */

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { WebSocketClientTransport } from "@modelcontextprotocol/sdk/client/websocket.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";

import { answerElicitation, answerSampling, run } from "./everything.mjs";

const TRANSPORTS = {
  sse: SSEClientTransport,
  http: StreamableHTTPClientTransport,
  websocket: WebSocketClientTransport,
};

const [kind, url] = process.argv.slice(2);
const client = new Client(
  { name: "typescript-1", version: "1" },
  { capabilities: { elicitation: {}, sampling: {} } },
);
client.setRequestHandler(ElicitRequestSchema, answerElicitation);
client.setRequestHandler(CreateMessageRequestSchema, answerSampling);
const transport = new TRANSPORTS[kind](new URL(url));
await run("@modelcontextprotocol/sdk", client, transport, (name, args, options) =>
  client.callTool({ name, arguments: args }, undefined, options),
);
