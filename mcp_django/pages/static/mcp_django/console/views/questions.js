/** Dialogs in which the user answers what the server asks, one at a time. */

import { add, field, make } from "../dom.js";
import { makeForm } from "../forms/form.js";
import { QuestionRefused } from "../link/questions.js";
import { showContent } from "../results/content.js";
import { format } from "../texts.js";
import { theirs } from "../theirs.js";

/**
 * @typedef {object} Dialog What one question shows.
 * @property {string} title
 * @property {Node[]} body
 * @property {{text: string, kind?: string, give: () => object | undefined}[]} buttons What each
 *   answers with; undefined for nothing yet. One that refuses throws.
 * @property {() => object} dismiss What closing it answers with.
 */

/** Asks the user. */
export class QuestionsView {
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();

  /** @param {any} texts All of them. */
  constructor(texts) {
    this.all = texts;
    this.texts = texts.questions;
  }

  /**
   * Ask the user, after what was asked before.
   *
   * @param {string} method
   * @param {any} params
   * @param {AbortSignal} signal Withdraws the question.
   * @returns {Promise<any>} The answer.
   * @throws {QuestionRefused} The user gives none.
   */
  ask(method, params, signal) {
    const dialog = () => this.#open(this.#dialogOf(method, params), signal);
    const answer = this.#last.then(dialog, dialog);
    this.#last = answer.catch(() => undefined);
    return answer;
  }

  /**
   * @param {string} method
   * @param {any} params
   * @returns {Dialog}
   */
  #dialogOf(method, params) {
    if (method === "sampling/createMessage") return this.#sampling(params);
    if (method === "roots/list") return this.#roots();
    return params.mode === "url" ? this.#visit(params) : this.#elicitation(params);
  }

  /**
   * @param {any} params
   * @returns {Dialog}
   */
  #elicitation({ message, requestedSchema }) {
    const form = makeForm(requestedSchema ?? { type: "object" }, { texts: this.all.forms });
    return {
      title: this.texts.elicitation,
      body: [paragraph(message), form.element],
      buttons: [
        {
          text: this.texts.accept,
          give: () =>
            form.errors().length ? undefined : { action: "accept", content: form.value() ?? {} },
        },
        { text: this.texts.decline, kind: "mcp-second", give: () => ({ action: "decline" }) },
      ],
      dismiss: () => ({ action: "cancel" }),
    };
  }

  /**
   * @param {any} params
   * @returns {Dialog}
   */
  #visit({ message, url }) {
    const target = URL.canParse(url) ? new URL(url) : undefined;
    const isWeb = target !== undefined && ["http:", "https:"].includes(target.protocol);
    const hint = isWeb ? format(this.texts.visitHint, { host: target.host }) : this.texts.notWeb;
    const open = {
      text: this.texts.open,
      give: () => {
        window.open(url, "_blank", "noopener,noreferrer");
        return { action: "accept" };
      },
    };
    return {
      title: this.texts.visit,
      body: [
        paragraph(message),
        make("p", { className: "mcp-url" }, make("code", {}, String(url))),
        make("p", { className: isWeb ? "mcp-quiet" : "mcp-notice mcp-bad" }, theirs(hint)),
      ],
      buttons: [
        ...(isWeb ? [open] : []),
        { text: this.texts.decline, kind: "mcp-second", give: () => ({ action: "decline" }) },
      ],
      dismiss: () => ({ action: "cancel" }),
    };
  }

  /**
   * @param {any} params
   * @returns {Dialog}
   */
  #sampling({ messages, systemPrompt }) {
    const answer = make("textarea", { rows: 5 });
    const model = make("input", { value: "human" });
    const shown = showContent({ messages }, { texts: this.all.results, onResource: () => {} });
    return {
      title: this.texts.sampling,
      body: [
        make("p", { className: "mcp-quiet" }, this.texts.samplingHint),
        ...(systemPrompt
          ? [make("h3", {}, this.texts.system), paragraph(systemPrompt)]
          : []),
        shown,
        field(this.texts.answer, answer),
        field(this.texts.model, model),
      ],
      buttons: [
        {
          text: this.texts.accept,
          give: () => ({
            role: "assistant",
            content: { type: "text", text: answer.value },
            model: model.value || "human",
            stopReason: "endTurn",
          }),
        },
        { text: this.texts.refuse, kind: "mcp-second", give: refuse },
      ],
      dismiss: refuse,
    };
  }

  /** @returns {Dialog} */
  #roots() {
    const folders = make("textarea", { rows: 4, spellcheck: false });
    return {
      title: this.texts.roots,
      body: [field(this.texts.rootsHint, folders)],
      buttons: [
        {
          text: this.texts.accept,
          give: () => ({
            roots: folders.value
              .split("\n")
              .map((line) => line.trim())
              .filter(Boolean)
              .map((uri) => ({ uri })),
          }),
        },
        { text: this.texts.refuse, kind: "mcp-second", give: refuse },
      ],
      dismiss: refuse,
    };
  }

  /**
   * @param {Dialog} dialog
   * @param {AbortSignal} signal
   * @returns {Promise<object>}
   */
  #open({ title, body, buttons, dismiss }, signal) {
    signal.throwIfAborted();
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    const heading = make("h2", { id: "mcp-question" }, title);
    const form = make("form", { method: "dialog", noValidate: true }, heading, ...body);
    const dialog = make("dialog", { className: "mcp mcp-dialog", "aria-labelledby": heading.id }, form);
    const actions = make("div", { className: "mcp-actions" });
    add(form, actions);
    document.body.append(dialog);
    /** @type {Promise<object>} */
    const answer = new Promise((resolve, reject) => {
      const settle = (/** @type {() => object | undefined} */ give) => {
        try {
          const given = give();
          if (given !== undefined) resolve(given);
        } catch (error) {
          reject(error);
        }
      };
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        settle(buttons[0].give);
      });
      dialog.addEventListener("cancel", (event) => {
        event.preventDefault();
        settle(dismiss);
      });
      // A browser may close it without asking.
      dialog.addEventListener("close", () => settle(dismiss));
      buttons.forEach(({ text, kind, give }, number) => {
        const onclick = () => settle(give);
        const type = number === 0 ? "submit" : "button";
        add(actions, make("button", { type, className: kind, ...(number > 0 && { onclick }) }, text));
      });
      signal.addEventListener("abort", () => reject(signal.reason));
      add(
        actions,
        make(
          "button",
          { type: "button", className: "mcp-link", onclick: () => settle(dismiss) },
          this.texts.dismiss,
        ),
      );
    });
    dialog.showModal();
    return answer.finally(() => {
      dialog.close();
      dialog.remove();
      if (before?.isConnected) before.focus();
    });
  }
}

/** @returns {never} */
function refuse() {
  throw new QuestionRefused();
}

/** @param {unknown} text */
function paragraph(text) {
  return make("p", { className: "mcp-described" }, theirs(text));
}
