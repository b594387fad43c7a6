/** One form and one result of each kind, to be looked at. */

import { make } from "/static/mcp_django/console/dom.js";
import { makeForm } from "/static/mcp_django/console/forms/form.js";
import { showContent } from "/static/mcp_django/console/results/content.js";

const { forms, results } = await (await fetch("/texts.json")).json();
const page = document.getElementById("gallery");

const { FORMS, RESULTS } = await import("/gallery/examples.js");
for (const [title, { schema, value }] of Object.entries(FORMS)) {
  const form = makeForm(schema, { texts: forms, value });
  const check = make("button", { type: "button", onclick: () => form.errors() }, "Check");
  const around = make("form", {}, form.element, make("p", { className: "mcp-actions" }, check));
  around.addEventListener("submit", (event) => {
    event.preventDefault();
    around.dataset.sent = JSON.stringify(form.value());
  });
  page.append(make("section", { className: "mcp-card" }, make("h2", {}, title), around));
}
for (const [title, result] of Object.entries(RESULTS)) {
  const shown = showContent(result, { texts: results, onResource: (uri) => page.setAttribute("data-followed", uri) });
  page.append(make("section", { className: "mcp-card" }, make("h2", {}, title), shown));
}
page.dataset.made = "yes";
