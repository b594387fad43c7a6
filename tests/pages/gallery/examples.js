/** What the gallery shows, by its title. */

const LONG = "a_very_long_name_that_goes_on_and_on_without_any_space_until_it_is_far_too_long";
const HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
const node = {
  type: "object",
  properties: {
    name: { type: "string" },
    next: { $ref: "#/$defs/node" },
    children: { type: "array", items: { $ref: "#/$defs/node" } },
  },
  required: ["name"],
};

const TEXTS = {
  type: "object",
  required: ["title", "body", "contact"],
  properties: {
    title: { type: "string", maxLength: 80, description: "What stands on the cover." },
    body: { type: "string", title: "Whole text", description: "Several lines are fine: Shift+Enter makes one." },
    contact: { type: "string", format: "email" },
    home: { type: "string", format: "uri" },
    published: { type: "string", format: "date" },
    opens: { type: "string", format: "time" },
    starts_at: { type: "string", format: "date-time" },
    isbn: { type: "string", pattern: "^\\d{13}$", examples: ["9780141439518"] },
    secret: { type: "string", format: "password" },
    note: { type: ["string", "null"], default: null },
  },
};

const CHOICES = {
  type: "object",
  required: ["copies", "genre", "colors", "lent"],
  properties: {
    copies: { type: "integer", minimum: 1, maximum: 10, default: 3 },
    price: { type: "number", exclusiveMinimum: 0, multipleOf: 0.5 },
    genre: { enum: ["novel", "poem", "play"] },
    cover: { oneOf: [{ const: "#f00", title: "Red" }, { const: "#0f0", title: "Green" }] },
    colors: { type: "array", minItems: 1, items: { anyOf: [{ const: "r", title: "Red" }, { const: "g", title: "Green" }] } },
    lent: { type: "boolean", description: "Whether it is out of the house." },
    lost: { type: "boolean" },
    edition: { const: "first" },
  },
};

const NESTED = {
  type: "object",
  required: ["author", "tags", "payment"],
  properties: {
    author: {
      type: "object",
      description: "Who wrote it.",
      required: ["name"],
      properties: { name: { type: "string" }, born: { type: "integer" } },
    },
    address: { type: "object", properties: { city: { type: "string" } } },
    tags: { type: "array", items: { type: "string" }, maxItems: 5 },
    loans: {
      type: "array",
      items: { type: "object", required: ["reader"], properties: { reader: { type: "string" }, days: { type: "integer" } } },
    },
    labels: { type: "object", additionalProperties: { type: "string" } },
    payment: {
      oneOf: [
        { title: "Card", type: "object", required: ["kind", "number"], properties: { kind: { const: "card" }, number: { type: "string" } } },
        { title: "Cash", type: "object", required: ["kind"], properties: { kind: { const: "cash" } } },
        { type: "integer" },
      ],
    },
    anything: {},
    settings: { type: "object", patternProperties: { "^x-": { type: "string" } } },
  },
};

export const FORMS = {
  "Texts and dates": { schema: TEXTS, value: { title: "Emma", body: "One\nTwo\nThree" } },
  "Numbers and choices": { schema: CHOICES },
  "Parts within parts": {
    schema: NESTED,
    value: {
      author: { name: "Jane Austen", born: 1775 },
      tags: ["novel", "irony"],
      loans: [{ reader: "ada", days: 7 }, { reader: "ben" }],
      labels: { shelf: "A3", state: "good" },
      payment: { kind: "card", number: "1" },
      anything: [1, { a: null }],
      settings: { "x-a": "b" },
    },
  },
  "What contains itself": { schema: { $ref: "#/$defs/node", $defs: { node } }, value: { name: "a", next: { name: "b" }, children: [{ name: "c" }] } },
  "A value that does not fit": { schema: TEXTS, value: { title: 7, unknown: true } },
  "Not known": { schema: { $ref: "https://elsewhere.test/schema.json" } },
  "Long and hostile names": {
    schema: { type: "object", required: [LONG], properties: { [LONG]: { type: "string", description: LONG.repeat(3) }, [HOSTILE]: { enum: [HOSTILE, LONG] } } },
  },
  "Nothing to fill in": { schema: { type: "object", properties: {} } },
};

const books = Array.from({ length: 60 }, (_one, at) => ({
  isbn: String(9780141439500 + at),
  title: ["Emma", "Middlemarch", "Moby-Dick; or, The Whale"][at % 3],
  copies: at,
  lent: at % 2 === 0,
  author: { name: "Jane Austen", born: 1775 },
  tags: at % 4 ? [] : ["novel", "irony"],
}));

const MARKDOWN = `# Whales

A paragraph with **strong**, *emphasized* and \`code\`, a [link](https://example.org/a), and ~~nothing~~.

## In the sea

- one
- two
  1. first
  2. second

> What is said
> by others.

| Whale | Length |
|:------|-------:|
| Blue  | 30 m   |
| Sperm | 18 m   |

\`\`\`python
def sing(whale: str) -> str:
    return f"{whale} sings, and this is a line that is too long to be shown on a telephone"
\`\`\`

---

[A trap](javascript:alert(1)) ${HOSTILE}`;

const image = document.createElement("canvas");
image.width = 240;
image.height = 80;
const drawing = image.getContext("2d");
drawing.fillStyle = "#24508a";
drawing.fillRect(0, 0, 240, 80);
const [, PNG] = image.toDataURL("image/png").split(",");
const WAV = btoa("RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\0\0\0\0");

export const RESULTS = {
  "Plain text": { content: [{ type: "text", text: "Three books are due on Monday.\n  They are long." }] },
  Markdown: { content: [{ type: "text", text: MARKDOWN }] },
  "Table with its text": { content: [{ type: "text", text: JSON.stringify({ result: books }) }], structuredContent: { result: books } },
  Tree: { structuredContent: { library: { name: "Hill", open: true, rooms: 3, notes: null, desks: [1, 2, 3] }, [LONG]: LONG, [HOSTILE]: HOSTILE } },
  "Images, sound and files": {
    content: [
      { type: "image", data: PNG, mimeType: "image/png", annotations: { audience: ["user"], priority: 0.9 } },
      { type: "audio", data: WAV, mimeType: "audio/wav" },
      { type: "resource", resource: { uri: "library://covers/1.bin", mimeType: "application/octet-stream", blob: "AAAA" } },
      { type: "image", data: "AAAA", mimeType: "image/png" },
    ],
  },
  Resources: {
    content: [
      { type: "resource_link", uri: "library://books/9780141439518", name: "pride", title: "Pride and Prejudice", description: "A novel of manners.", mimeType: "text/plain", size: 717 },
      { type: "resource_link", uri: `javascript:${LONG}`, name: HOSTILE },
      { type: "resource", resource: { uri: "library://books/1", mimeType: "text/markdown", text: "It is *a truth* universally acknowledged" } },
    ],
  },
  "A tool that failed": { isError: true, content: [{ type: "text", text: "No book has this ISBN: 1" }] },
  "An error": { code: -32602, message: "Unknown tool: 'x'", data: { near: ["search_books"] } },
  "A prompt": { description: "Asks for a review.", messages: [{ role: "user", content: { type: "text", text: "Review Emma." } }, { role: "assistant", content: { type: "text", text: "Gladly." } }] },
  "Very long text": { content: [{ type: "text", text: "All work and no play. ".repeat(2000) }] },
  "Nothing at all": { content: [] },
  "Content of tomorrow": { content: [{ type: "hologram", data: { depth: 3 } }], _meta: { "example.org/x": 1 } },
};
