/** Schemas and values by chance, the same ones for the same seed. */

import { resolve } from "../../../mcp_django/pages/static/mcp_django/console/forms/schema.js";

const TEXTS = ["", "x", "a\nb", "a\r\nb", " ", "null", "7", "<b>&amp;", "é😀", "__proto__", "2026-02-30"];
const FORMATS = ["date", "time", "date-time", "email", "uri", "uuid", "password", "unheard-of"];
const NAMES = ["a", "b", "toString", "__proto__", "constructor", "x-y z", "0", ""];
const WRITTEN = {
  date: ["2026-02-28", "12026-01-01"],
  time: ["10:30", "10:30:05.5", "10:30:00Z"],
  "date-time": ["2026-01-02T03:04:05Z", "2026-01-02 03:04:05.123456+02:00", "2026-01-02T03:04"],
  uri: ["https://example.org/ü", " https://a.test "],
};

export class Chance {
  /** @param {number} seed */
  constructor(seed) {
    this.state = seed + 0x9e3779b9;
  }

  /** Give a number from 0 to below 1. */
  next() {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  below(limit) {
    return Math.floor(this.next() * limit);
  }

  of(list) {
    return list[this.below(list.length)];
  }

  /** Give any value of JSON. */
  any(depth = 0) {
    const leaf = [null, true, false, 0, -1, 1.5, 1e21, 5e-324, 2 ** 53, ...TEXTS];
    if (depth > 2 || this.next() < 0.6) return this.of(leaf);
    const size = this.below(4);
    const values = Array.from({ length: size }, () => this.any(depth + 1));
    return this.next() < 0.5
      ? values
      : Object.fromEntries(values.map((value) => [this.of(NAMES), value]));
  }

  /** Give a schema; some say what no form knows. */
  schema(depth = 0) {
    const leaf = [
      () => ({ type: "string" }),
      () => ({ type: "string", format: this.of(FORMATS) }),
      () => ({ type: this.of(["integer", "number", "boolean", "null"]) }),
      () => ({ type: [this.of(["string", "integer", "boolean", "object", "array"]), "null"] }),
      () => ({ enum: [this.any(2), this.any(2), null] }),
      () => ({ const: this.any(2) }),
      () => ({}),
      () => this.next() < 0.5,
      () => ({ oneOf: [{ const: "a", title: "A" }, { const: 2 }] }),
      () => ({ $ref: "#" }),
      () => ({ type: "string", default: this.any(1) }),
    ];
    const inner = () => this.schema(depth + 1);
    const composite = [
      () => this.#object(inner),
      () => this.#object(inner),
      () => ({ type: "array", items: inner(), minItems: this.below(3) }),
      () => ({ type: "object", additionalProperties: inner() }),
      () => ({ type: this.of(["array", "object"]) }),
      () => ({ type: "array", items: { enum: ["a", "b", 3] }, uniqueItems: true }),
      () => ({ [this.of(["anyOf", "oneOf"])]: [inner(), inner(), { type: "null" }] }),
      () => ({ allOf: [inner(), inner()] }),
      () => ({ type: "object", patternProperties: { a: inner() } }),
      () => ({ type: ["string", "number", "object"], properties: { a: inner() } }),
    ];
    return this.of(depth < 3 && this.next() < 0.7 ? composite : leaf)();
  }

  #object(inner) {
    const names = NAMES.slice(0, this.below(NAMES.length));
    const schema = {
      type: "object",
      properties: Object.fromEntries(names.map((name) => [name, inner()])),
      required: NAMES.filter(() => this.next() < 0.3),
    };
    if (this.next() < 0.4) schema.additionalProperties = this.of([true, false, { type: "integer" }]);
    return schema;
  }

  /** Give a value that is much like what a schema wants. */
  value(schema, root, depth = 0) {
    if (this.next() < 0.04 || depth > 5) return this.any(depth);
    let known;
    try {
      known = resolve(schema, root);
    } catch {
      return this.any(depth);
    }
    const alternatives = known.anyOf ?? known.oneOf;
    if (alternatives?.length) return this.value(this.of(alternatives), root, depth);
    if ("const" in known) return known.const;
    if (known.enum?.length) return this.of(known.enum);
    switch (this.of([known.type].flat()) ?? (known.properties && "object")) {
      case "string":
        return this.of([...TEXTS, ...(WRITTEN[known.format] ?? ["abc"])]);
      case "integer":
        return this.below(1000);
      case "number":
        return this.next() * 10;
      case "boolean":
        return this.next() < 0.5;
      case "array":
        return Array.from({ length: this.below(4) }, () => this.value(known.items ?? true, root, depth + 1));
      case "object":
        return this.#members(known, root, depth);
      case "null":
        return null;
      default:
        return this.any(depth);
    }
  }

  #members(schema, root, depth) {
    const named = Object.entries(schema.properties ?? {}).filter(
      ([name]) => schema.required?.includes(name) || this.next() < 0.6,
    );
    const others = this.next() < 0.3 ? [[this.of(NAMES), schema.additionalProperties ?? true]] : [];
    return Object.fromEntries(
      [...others, ...named].map(([name, member]) => [name, this.value(member, root, depth + 1)]),
    );
  }
}
