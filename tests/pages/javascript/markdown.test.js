import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { showMarkdown } from "../../../mcp_django/pages/static/mcp_django/console/results/markdown.js";
import { openPage } from "./page.js";

openPage();
beforeEach(() => document.body.replaceChildren());

/** Give what the text becomes, without the attributes that are always there. */
function html(text) {
  return showMarkdown(text).innerHTML.replace(/ (dir="ltr"|tabindex="0"|class=""|title="[^"]*"|target="_blank"|rel="[^"]*")/g, "");
}

for (const [text, expected] of [
  ["plain *em* **strong** `code` ~~gone~~", "<p>plain <em>em</em> <strong>strong</strong> <code>code</code> <s>gone</s></p>"],
  ["**a *b* c**", "<p><strong>a <em>b</em> c</strong></p>"],
  ["snake_case_name 2 * 3 * 4", "<p>snake_case_name 2 * 3 * 4</p>"],
  ["\\*not\\*", "<p>*not*</p>"],
  ["a  \nb\nc", "<p>a  <br>b\nc</p>"],
  ["## Title ##", '<p role="heading" aria-level="5" class="mcp-result-h2">Title</p>'],
  ["---", "<hr>"],
  ["```python\nif a < b:\n    pass\n```\nafter", '<pre aria-label="python"><code>if a &lt; b:\n    pass</code></pre><p>after</p>'],
  ["~~~\nopen", "<pre><code>open</code></pre>"],
  ["- a\n- b\n  - c\n\n1. x", "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul><ol start=\"1\"><li>x</li></ol>"],
  ["3. x\n4. y", '<ol start="3"><li>x</li><li>y</li></ol>'],
  ["> a\n> b", "<blockquote><p>a\nb</p></blockquote>"],
  ["| a | b |\n|---|--:|\n| 1 | 2 \\| 3 |", '<div class="mcp-result-table"><table><thead><tr><th>a</th><th class="mcp-result-numbers">b</th></tr></thead><tbody><tr><td>1</td><td class="mcp-result-numbers">2 | 3</td></tr></tbody></table></div>'],
  ["[site](https://a.test/x)", '<p><a href="https://a.test/x">site</a></p>'],
  ["see https://a.test/x.", '<p>see <a href="https://a.test/x">https://a.test/x</a>.</p>'],
  ["<https://a.test>", '<p><a href="https://a.test">https://a.test</a></p>'],
  ["![alt](https://a.test/i.png)", '<p><a href="https://a.test/i.png">alt</a></p>'],
  ["[run](javascript:alert(1))", "<p><span>run<code> (javascript:alert(1))</code></span></p>"],
  ["[run](data:text/html,x)", "<p><span>run<code> (data:text/html,x)</code></span></p>"],
  ["[up](/admin)", "<p><span>up<code> (/admin)</code></span></p>"],
  ["<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"],
  ['[x](https://a.test/"onmouseover=1)', '<p><a href="https://a.test/&quot;onmouseover=1">x</a></p>'],
]) {
  test(`Markdown becomes elements: ${JSON.stringify(text)}`, () => {
    const markup = html(text).replace(/<p class="(mcp-result-h\d)" role="heading" aria-level="(\d)">/, '<p role="heading" aria-level="$2" class="$1">');
    assert.equal(markup, expected);
  });
}

test("texts that are made to take long do not", () => {
  const parts = ["*a ", "**", "_", "[", "[](", "![", "`", "> ", "- ", "1. ", "# ", "|", "\\", "<", "~~~", " ", "| a |\n|---|\n", "    - a\n", "(((", "https://a."];
  const begin = performance.now();
  for (const part of parts) {
    for (const after of ["", "x", "\n"]) {
      showMarkdown((part + after).repeat(5_000 / (part + after).length));
    }
    showMarkdown(`# ${part.repeat(2_000)}x`);
  }
  // One that took the square of its length would take a minute.
  assert.ok(performance.now() - begin < 20_000, `${performance.now() - begin} ms`);
});
