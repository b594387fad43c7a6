/** One feature: its form, the call, and what comes of it. */

import { add, make } from "../dom.js";
import { makeForm } from "../forms/form.js";
import { keyOf, schemaOf } from "../link/features.js";
import { ErrorAnswer, isObject } from "../link/protocol.js";
import { isAbort } from "../link/streamable_http.js";
import { showContent } from "../results/content.js";
import { format, number } from "../texts.js";
import { theirs } from "../theirs.js";

/**
 * @import {Kind} from "../link/shares.js"
 * @import {Feature} from "../link/features.js"
 * @import {Progress} from "../link/pending.js"
 *
 * @typedef {object} Calling
 * @property {AbortSignal} signal
 * @property {(progress: Progress) => void} onProgress
 *
 * @typedef {object} Acts What can be done with a feature.
 * @property {(values: Record<string, any>, calling: Calling) => Promise<any>} call
 * @property {(name: string, value: string, values: Record<string, any>) => Promise<string[]>} [complete]
 * @property {(isWanted: boolean) => Promise<void>} [subscribe]
 * @property {boolean} isSubscribed
 * @property {(values: Record<string, any>) => Promise<boolean>} share Says whether it was copied.
 * @property {(uri: string) => void} onResource
 */

const VERBS = { tools: "call", resources: "read", templates: "read", prompts: "get" };
const HINTS = { readOnlyHint: "readOnly", destructiveHint: "destructive", idempotentHint: "idempotent", openWorldHint: "openWorld" };

/** Shows one feature. */
export class CallView {
  /** @type {AbortController | undefined} */
  #running;

  /**
   * @param {object} options
   * @param {any} options.texts All of them.
   * @param {Kind} options.kind
   * @param {Feature} options.feature
   * @param {Acts} options.acts
   */
  constructor({ texts, kind, feature, acts }) {
    this.all = texts;
    this.texts = texts.features;
    this.kind = kind;
    this.feature = feature;
    this.acts = acts;
    const { complete } = acts;
    this.form = makeForm(schemaOf(kind, feature), {
      texts: texts.forms,
      complete: complete && ((name, value) => complete(name, value, this.#values())),
    });
    this.note = make("div", { role: "status" });
    this.said = make("div", { role: "status", className: "mcp-said" });
    this.progress = make("div", { className: "mcp-progress" });
    this.outcome = make("div", { className: "mcp-outcome" });
    this.button = make("button", { type: "submit" }, this.texts[VERBS[kind]]);
    this.element = make(
      "section",
      { className: "mcp-card mcp-call", "aria-labelledby": "mcp-feature" },
      this.#heading(),
      this.note,
      make(
        "form",
        {
          noValidate: true,
          onsubmit: (/** @type {Event} */ event) => {
            event.preventDefault();
            this.#call();
          },
        },
        kind !== "resources" && this.form.element,
        make("div", { className: "mcp-actions" }, this.button, this.#shareButton(), this.#subscribeButton()),
      ),
      this.said,
      this.progress,
      this.outcome,
      this.#details(this.texts.schema, feature),
    );
  }

  /**
   * Fill in the form.
   *
   * @param {Record<string, any>} values
   */
  fill(values) {
    this.form.setValue(values);
    this.#say(this.note, this.texts.fromLink);
  }

  /** Say that what is shown has changed meanwhile. */
  showChanged() {
    this.#say(this.note, this.texts.changed);
  }

  /** Let go of what runs. */
  leave() {
    this.#running?.abort();
  }

  /** What the form is filled with; {} if it is none. */
  get values() {
    return this.#values();
  }

  #values() {
    const value = this.form.value();
    return isObject(value) ? value : {};
  }

  #heading() {
    const { title, name, description, annotations } = this.feature;
    const key = keyOf(this.kind, this.feature);
    const heading = String(title || name || key);
    const hints = Object.entries(HINTS)
      .filter(([hint]) => annotations?.[hint] === true)
      .map(([, text]) => make("li", {}, this.texts[text]));
    return make(
      "div",
      {},
      make("h2", { id: "mcp-feature", tabIndex: -1 }, theirs(heading)),
      key !== heading && make("p", {}, make("code", {}, key)),
      description && make("p", { className: "mcp-described" }, theirs(description)),
      hints.length > 0 && make("ul", { className: "mcp-hints" }, ...hints),
    );
  }

  #shareButton() {
    return make(
      "button",
      {
        type: "button",
        className: "mcp-second",
        onclick: async () => {
          const isCopied = await this.acts.share(this.#values());
          this.#say(this.said, isCopied ? this.texts.shared : this.texts.unshared);
        },
      },
      this.texts.share,
    );
  }

  #subscribeButton() {
    const { subscribe } = this.acts;
    if (!subscribe) return undefined;
    let { isSubscribed } = this.acts;
    const show = () => {
      button.setAttribute("aria-pressed", String(isSubscribed));
      button.textContent = isSubscribed ? this.texts.unsubscribe : this.texts.subscribe;
    };
    const button = make(
      "button",
      {
        type: "button",
        className: "mcp-second",
        onclick: async () => {
          try {
            await subscribe(!isSubscribed);
          } catch (error) {
            this.#say(this.said, /** @type {Error} */ (error).message);
            return;
          }
          isSubscribed = !isSubscribed;
          show();
        },
      },
    );
    show();
    return button;
  }

  async #call() {
    if (this.#running || this.form.errors().length > 0) return;
    const running = new AbortController();
    this.#running = running;
    const begun = performance.now();
    const seconds = () => number((performance.now() - begun) / 1000, 2);
    // Disabled for good it would lose the focus, and a dialog could not give it back.
    this.button.setAttribute("aria-disabled", "true");
    this.note.replaceChildren();
    this.said.replaceChildren();
    this.outcome.replaceChildren();
    this.#showProgress(undefined, running);
    try {
      const result = await this.acts.call(this.#values(), {
        signal: running.signal,
        onProgress: (progress) => this.#showProgress(progress, running),
      });
      this.#show(format(result?.isError ? this.texts.failed : this.texts.answered, { seconds: seconds() }), result);
    } catch (error) {
      this.#showFailure(error, seconds());
    } finally {
      this.#running = undefined;
      this.button.removeAttribute("aria-disabled");
      if (this.progress.contains(document.activeElement)) this.button.focus();
      this.progress.replaceChildren();
    }
  }

  /**
   * @param {Progress | undefined} progress
   * @param {AbortController} running
   */
  #showProgress(progress, running) {
    const bar = make("progress", { "aria-label": this.texts.progress });
    if (progress?.total) {
      bar.max = progress.total;
      bar.value = Math.min(progress.progress, progress.total);
    }
    const said = progress?.message ?? this.texts.running;
    const count = progress ? ` ${progress.progress}${progress.total ? ` / ${progress.total}` : ""}` : "";
    const text = make("p", { role: "status" }, theirs(said), count);
    const [, , before] = this.progress.children;
    const cancel =
      before ??
      make(
        "button",
        { type: "button", className: "mcp-danger", onclick: () => running.abort() },
        this.texts.cancel,
      );
    if (before) {
      // The button stays what it is, so that it keeps the focus.
      this.progress.children[0].replaceWith(text);
      this.progress.children[1].replaceWith(bar);
    } else this.progress.replaceChildren(text, bar, cancel);
  }

  /**
   * @param {string} status
   * @param {any} result
   */
  #show(status, result) {
    const isError = Boolean(result?.isError);
    this.outcome.replaceChildren(
      make("h3", {}, this.texts.result),
      make("p", { role: "status", className: isError ? "mcp-notice mcp-bad" : "mcp-quiet" }, status),
      showContent(result, { texts: this.all.results, onResource: this.acts.onResource }),
      this.#details(this.texts.raw, result),
    );
  }

  /**
   * @param {any} error
   * @param {string} seconds
   */
  #showFailure(error, seconds) {
    const isCancelled = isAbort(error);
    const status = format(isCancelled ? this.texts.cancelled : this.texts.failed, { seconds });
    this.outcome.replaceChildren(make("h3", {}, this.texts.result));
    const notice = make("div", { role: "alert", className: `mcp-notice${isCancelled ? "" : " mcp-bad"}` }, make("p", {}, status));
    add(this.outcome, notice);
    if (isCancelled) return;
    const message = String(error?.message ?? error);
    const text = error instanceof ErrorAnswer ? format(this.texts.error, { code: error.code, message }) : message;
    add(notice, make("p", {}, theirs(text)));
    if (error?.data !== undefined) add(this.outcome, this.#details(this.texts.raw, error.data));
  }

  /**
   * @param {HTMLElement} place
   * @param {string} text
   */
  #say(place, text) {
    place.replaceChildren(make("p", { className: "mcp-notice" }, theirs(text)));
  }

  /**
   * @param {string} title
   * @param {unknown} value
   */
  #details(title, value) {
    return make(
      "details",
      {},
      make("summary", {}, title),
      make("pre", { tabIndex: 0 }, JSON.stringify(value, null, 2) ?? ""),
    );
  }
}
