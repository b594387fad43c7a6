/**
 * A client program by the official TypeScript SDK, 1.x, that logs in with OAuth.
 *
 *     node typescript_1.mjs URL
 */

import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

import { run } from "./conversation.mjs";

const url = new URL(process.argv[2]);
await run("TypeScript SDK 1", {
  makeClient: () => new Client({ name: "typescript-1", version: "1" }),
  makeTransport: (authProvider) =>
    new StreamableHTTPClientTransport(url, { authProvider }),
  finish: (transport, found) => transport.finishAuth(found.get("code")),
  isUnauthorized: (error) => error instanceof UnauthorizedError,
});
