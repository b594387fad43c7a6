/**
 * What the client programs in TypeScript's SDKs share; see the package for what they are
 * told and say.
 */

import { createServer } from "node:http";
import { createInterface } from "node:readline";

/** Say something to the test. */
export function say(what) {
  console.log(JSON.stringify(what));
}

/** Hears of the end of a login, at a port of this computer. */
export class Callback {
  async listen() {
    this.server = createServer((request, response) => {
      const url = new URL(request.url, "http://127.0.0.1");
      response.setHeader("content-type", "text/html");
      response.end("<title>Back</title>You may close this window.");
      if (url.pathname === "/callback") this.found?.(url.searchParams);
    });
    await new Promise((ready) => this.server.listen(0, "127.0.0.1", ready));
    this.url = `http://127.0.0.1:${this.server.address().port}/callback`;
  }

  /** Begin to wait for the parameters with which the browser comes back. */
  expect() {
    this.coming = new Promise((found) => (this.found = found));
  }
}

/** An `OAuthClientProvider` that keeps all as long as the program runs. */
export class Provider {
  constructor(name, callback) {
    this.redirectUrl = callback.url;
    this.clientMetadata = {
      client_name: name,
      redirect_uris: [callback.url],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
    this.callback = callback;
  }

  state() {
    return (this.lastState = crypto.randomUUID());
  }

  clientInformation() {
    return this.client;
  }

  saveClientInformation(client) {
    this.client = client;
  }

  tokens() {
    return this.given;
  }

  saveTokens(tokens) {
    this.given = tokens;
  }

  redirectToAuthorization(url) {
    this.callback.expect();
    say({ open: String(url) });
  }

  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }

  codeVerifier() {
    return this.verifier;
  }
}

/**
 * Log in, and obey.
 *
 * @param makeClient Makes a client.
 * @param makeTransport Makes a transport with the provider.
 * @param finish Gives a transport the parameters with which the browser came back.
 * @param isUnauthorized Says whether an error means that the user has to log in.
 */
export async function run(name, { makeClient, makeTransport, finish, isUnauthorized }) {
  const callback = new Callback();
  await callback.listen();
  const provider = new Provider(name, callback);
  let transport;
  let client;

  async function connect() {
    transport = makeTransport(provider);
    client = makeClient();
    await client.connect(transport);
  }

  /** Do something, and once more after the user has logged in. */
  async function attempt(action) {
    try {
      return await action();
    } catch (error) {
      if (!isUnauthorized(error)) throw error;
      const found = await callback.coming;
      if (found.get("error")) throw new Error(found.get("error"));
      if (found.get("state") !== provider.lastState) throw new Error("foreign state");
      await finish(transport, found);
      await connect();
      return action === connect ? undefined : await action();
    }
  }

  try {
    await attempt(connect);
    say({ text: "logged in" });
    for await (const line of createInterface({ input: process.stdin })) {
      const told = JSON.parse(line);
      if (told.expire) continue; // the server says so by 401
      try {
        const call = () =>
          client.callTool({ name: told.call, arguments: told.arguments });
        const result = await attempt(call);
        const text = result.content[0]?.text ?? "";
        say(result.isError ? { error: text } : { text });
      } catch (error) {
        say({ error: `${error.name}: ${error.message}` });
      }
    }
  } catch (error) {
    say({ error: `${error.name}: ${error.message}` });
  }
  process.exit(0);
}
