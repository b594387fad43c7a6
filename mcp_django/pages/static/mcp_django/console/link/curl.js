/** A message as a command for the shell. */

/** @import {Post} from "./traffic.js" */

export const TOKEN = "YOUR_TOKEN";

/**
 * Write an HTTP request as a command of curl, for any POSIX shell.
 *
 * The login cookie is no part of it, which scripts cannot see: a token takes its place.
 *
 * @param {Post} post
 */
export function asCurl(post) {
  const headers = Object.entries(post.headers)
    .filter(([name]) => name.toLowerCase() !== "authorization")
    .map(([name, value]) => `${name}: ${value}`);
  const parts = [
    `curl -N ${post.method === "POST" ? "" : `-X ${post.method} `}${quoted(post.url)}`,
    ...[`Authorization: Bearer ${TOKEN}`, ...headers].map((line) => `-H ${quoted(line)}`),
    ...(post.body === undefined ? [] : [`--data-binary ${quoted(post.body)}`]),
  ];
  return parts.join(" \\\n  ");
}

/**
 * Quote a text for the shell.
 *
 * @param {string} text
 */
function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
