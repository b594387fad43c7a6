/**
 * A client program by the official TypeScript SDK, 2.x, that logs in with OAuth.
 *
 *     node typescript_2.mjs URL
 */

import {
  Client,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from "@modelcontextprotocol/client";

import { run } from "./conversation.mjs";

const url = new URL(process.argv[2]);
await run("TypeScript SDK 2", {
  makeClient: () =>
    new Client(
      { name: "typescript-2", version: "1" },
      { versionNegotiation: { mode: "auto" } },
    ),
  makeTransport: (authProvider) =>
    new StreamableHTTPClientTransport(url, { authProvider }),
  finish: (transport, found) => transport.finishAuth(found),
  isUnauthorized: (error) => error instanceof UnauthorizedError,
});
