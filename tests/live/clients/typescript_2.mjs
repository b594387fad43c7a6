/**
 * A client program by the official TypeScript SDK, 2.x: does all, prints what it saw.
 *
 *     node typescript_2.mjs sse|http|modern URL
 *
 * `modern` finds out by itself what the server speaks, over Streamable HTTP. The others
 * open a session of the legacy era. This release has no WebSocket transport.
 */

import {
  Client,
  SSEClientTransport,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";

import { answerElicitation, answerSampling, run } from "./everything.mjs";

const [kind, url] = process.argv.slice(2);
const Transport = kind === "sse" ? SSEClientTransport : StreamableHTTPClientTransport;
const client = new Client(
  { name: "typescript-2", version: "1" },
  {
    capabilities: { elicitation: {}, sampling: {} },
    versionNegotiation: { mode: kind === "modern" ? "auto" : "legacy" },
  },
);
client.setRequestHandler("elicitation/create", answerElicitation);
client.setRequestHandler("sampling/createMessage", answerSampling);
const transport = new Transport(new URL(url));
await run("@modelcontextprotocol/client", client, transport, (name, args, options) =>
  client.callTool({ name, arguments: args }, options),
);
