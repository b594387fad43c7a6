/** The console: what is on the page, and how its parts go together. */

import { make } from "./dom.js";
import { completionFor, keyOf, KINDS, LISTS, requestFor } from "./link/features.js";
import { makeLink, reasonOf } from "./link/link.js";
import { readCall, writeCall } from "./link/shares.js";
import { Traffic } from "./link/traffic.js";
import { number } from "./texts.js";
import { CallView } from "./views/call.js";
import { copy } from "./views/clipboard.js";
import { ConnectionView } from "./views/connection.js";
import { FeaturesView } from "./views/features.js";
import { NoticesView } from "./views/notices.js";
import { QuestionsView } from "./views/questions.js";
import { TrafficView } from "./views/traffic.js";

/**
 * @import {Kind} from "./link/shares.js"
 * @import {Feature} from "./link/features.js"
 * @import {Link} from "./link/link.js"
 * @import {Choice} from "./views/connection.js"
 * @import {Calling} from "./views/call.js"
 */

/** Holds the connection, and tells the parts of the page what comes over it. */
class Console {
  /** @type {Link | undefined} */
  #link;
  /** @type {CallView | undefined} */
  #call;
  /** @type {{kind: Kind, key: string} | undefined} */
  #shown;
  /** Lists whose next page is on its way. @type {Set<Kind>} */
  #loading = new Set();
  /** Resources whose changes are wanted, over whichever connection. @type {Set<string>} */
  #subscribed = new Set();

  /**
   * @param {HTMLElement} root
   * @param {any} known What the page brought.
   */
  constructor(root, known) {
    const { texts } = known;
    this.known = known;
    this.texts = texts;
    this.url = new URL(known.path || "/", location.href).href;
    this.traffic = new Traffic();
    this.connection = new ConnectionView({
      known,
      onConnect: (choice) => this.connect(choice),
      onDisconnect: () => this.disconnect(),
      onLogLevel: (level) => this.#setLogLevel(level),
      onPing: () => this.#ping(),
      loginUrl: () => this.#loginUrl(),
    });
    this.features = new FeaturesView({
      texts: texts.features,
      onChoose: (kind, feature) => this.#choose(kind, feature),
      onMore: (kind) => this.#loadMore(kind),
    });
    this.notices = new NoticesView(texts.features);
    this.questions = new QuestionsView(texts);
    this.place = make(
      "div",
      {},
      make("section", { className: "mcp-card" }, make("p", { className: "mcp-quiet" }, texts.features.choose)),
    );
    // What has nothing to show yet waits, so that a narrow page begins with what is to do.
    this.work = make(
      "div",
      { className: "mcp-works", hidden: true },
      make("div", { className: "mcp-work" }, this.features.element, this.place),
      this.notices.element,
    );
    this.messages = new TrafficView({ texts: texts.messages, traffic: this.traffic }).element;
    this.messages.hidden = true;
    root.append(this.connection.element, this.work, this.messages);
    window.addEventListener("hashchange", () => this.#openShared());
  }

  /**
   * Connect, and show what there is.
   *
   * @param {Choice} choice
   */
  async connect({ binding, version, token }) {
    this.connection.show("opening");
    this.messages.hidden = false;
    const hears = {
      onQuestion: (/** @type {string} */ method, /** @type {any} */ params, /** @type {AbortSignal} */ signal) =>
        this.#ask(method, params, signal),
      onNotice: (/** @type {string} */ method, /** @type {any} */ params) => this.#hear(method, params),
      onFault: (/** @type {string} */ method, /** @type {unknown} */ error) => this.#note(method, error),
      onLost: (/** @type {unknown} */ error) => this.#lose(link, error, token),
    };
    const link = makeLink({ binding, version, token, url: this.url, traffic: this.traffic, hears });
    this.#link = link;
    try {
      await link.connect();
      if (this.#link !== link) return;
      await this.#setLogLevel(this.connection.logLevel.value);
    } catch (error) {
      await this.#lose(link, error, token, true);
      return;
    }
    this.connection.show("open");
    this.work.hidden = false;
    this.connection.showServer(link.server);
    const { capabilities = {} } = link.server;
    await Promise.all(
      KINDS.filter((kind) => capabilities[LISTS[kind].capability]).map((kind) => this.#load(kind, false)),
    );
    await this.#subscribeAgain(link);
    if (this.#link === link) this.#openShared();
  }

  /** Leave. */
  async disconnect() {
    const link = this.#link;
    this.#link = undefined;
    this.connection.show("closed");
    this.features.clear();
    await link?.close();
  }

  /**
   * Say that the connection is lost, and why; what is on the page stays.
   *
   * @param {Link} link
   * @param {unknown} error
   * @param {string} token
   * @param {boolean} [isOpening] Whether there was no connection yet.
   */
  async #lose(link, error, token, isOpening = false) {
    if (this.#link !== link) return;
    this.#link = undefined;
    link.close();
    const { kind, detail } = await reasonOf(error, this.url, !token);
    const state = kind === "ended" && isOpening ? "unopened" : kind;
    if (this.#link === undefined) this.connection.show(state, detail);
  }

  /** @param {Kind} kind */
  async #loadMore(kind) {
    if (this.#loading.has(kind)) return;
    this.#loading.add(kind);
    await this.#load(kind, true);
    this.#loading.delete(kind);
  }

  /**
   * @param {Kind} kind
   * @param {boolean} goesOn Whether the next page is wanted.
   */
  async #load(kind, goesOn) {
    const link = this.#link;
    const cursor = goesOn ? this.features.cursorOf(kind) : undefined;
    try {
      const result = await link?.request(LISTS[kind].method, cursor === undefined ? {} : { cursor });
      if (link && this.#link === link) this.features.add(kind, result, goesOn);
    } catch (error) {
      this.#note(LISTS[kind].method, error);
    }
  }

  /**
   * @param {Kind} kind
   * @param {Feature} feature
   * @param {Record<string, any>} [values] From a link.
   */
  #choose(kind, feature, values) {
    this.#call?.leave();
    const key = keyOf(kind, feature);
    const canSubscribe = kind === "resources" && this.#link?.server.capabilities?.resources?.subscribe;
    const canComplete = kind === "prompts" || kind === "templates";
    this.#shown = { kind, key };
    this.#call = new CallView({
      texts: this.texts,
      kind,
      feature,
      acts: {
        call: (given, calling) => this.#request(kind, feature, given, calling),
        complete: canComplete ? (name, value, others) => this.#complete(kind, feature, name, value, others) : undefined,
        subscribe: canSubscribe ? (isWanted) => this.#subscribe(key, isWanted) : undefined,
        isSubscribed: this.#subscribed.has(key),
        share: (given) => this.#share(kind, key, given),
        onResource: (uri) => this.#choose("resources", { uri, name: uri }),
      },
    });
    this.place.replaceChildren(this.#call.element);
    if (values) this.#call.fill(values);
    /** @type {HTMLElement | null} */ (this.#call.element.querySelector("#mcp-feature"))?.focus();
  }

  /** Give the connection. */
  #connected() {
    if (!this.#link) throw new Error(this.texts.connection.closed);
    return this.#link;
  }

  /**
   * @param {string} uri
   * @param {boolean} isWanted
   */
  async #subscribe(uri, isWanted) {
    await this.#connected().subscribe(uri, isWanted);
    if (isWanted) this.#subscribed.add(uri);
    else this.#subscribed.delete(uri);
  }

  /** Want over a new connection what was wanted over the last. @param {Link} link */
  async #subscribeAgain(link) {
    for (const uri of this.#subscribed) {
      try {
        await link.subscribe(uri, true);
      } catch (error) {
        this.#subscribed.delete(uri);
        this.#note(uri, error);
      }
    }
  }

  /**
   * @param {Kind} kind
   * @param {Feature} feature
   * @param {Record<string, any>} values
   * @param {Calling} calling
   */
  async #request(kind, feature, values, { signal, onProgress }) {
    const { method, params } = requestFor(kind, feature, values);
    const schema = kind === "tools" ? feature.inputSchema : undefined;
    return this.#connected().request(method, params, { signal, onProgress, schema });
  }

  /**
   * @param {Kind} kind
   * @param {Feature} feature
   * @param {string} name
   * @param {string} value
   * @param {Record<string, any>} values
   * @returns {Promise<string[]>}
   */
  async #complete(kind, feature, name, value, values) {
    const { method, params } = completionFor(kind, feature, name, value, values);
    if (!this.#link?.server.capabilities?.completions) return [];
    try {
      const result = await this.#link.request(method, params);
      return result?.completion?.values ?? [];
    } catch {
      // Without completions a form is as good as before.
      return [];
    }
  }

  /**
   * @param {string} method
   * @param {any} params
   */
  #hear(method, params) {
    const texts = this.texts.features;
    if (method === "notifications/message") this.notices.log(params);
    if (method === "notifications/elicitation/complete") this.notices.change(texts.noticeVisited, {});
    if (method === "notifications/resources/updated") {
      this.notices.change(texts.noticeUpdated, { uri: String(params.uri) });
      if (this.#shown?.kind === "resources" && this.#shown.key === params.uri) this.#call?.showChanged();
    }
    for (const kind of KINDS.filter((one) => LISTS[one].change === method)) {
      this.notices.change(texts.noticeChanged, { list: texts[kind] });
      this.#load(kind, false);
    }
  }

  /**
   * @param {string} method
   * @param {any} params
   * @param {AbortSignal} signal
   */
  async #ask(method, params, signal) {
    try {
      return await this.questions.ask(method, params, signal);
    } catch (error) {
      if (signal.aborted) this.notices.change(this.texts.questions.withdrawn, {});
      throw error;
    }
  }

  /**
   * Say that something failed beside.
   *
   * @param {string} what
   * @param {unknown} error
   */
  #note(what, error) {
    this.notices.log({ level: "error", logger: what, data: error instanceof Error ? error.message : error });
  }

  /** @param {string} level */
  async #setLogLevel(level) {
    try {
      await this.#link?.setLogLevel(level);
    } catch (error) {
      this.#note("logging/setLevel", error);
    }
  }

  async #ping() {
    const link = this.#link;
    if (!link) return;
    const begun = performance.now();
    try {
      await link.ping();
      this.connection.showPing(number(performance.now() - begun));
    } catch (error) {
      this.#note("ping", error);
    }
  }

  /**
   * Make a link to a call.
   *
   * @param {Kind} kind
   * @param {string} name
   * @param {Record<string, any>} values
   */
  async #share(kind, name, values) {
    history.replaceState(null, "", writeCall({ kind, name, values }));
    return copy(location.href);
  }

  /** Fill in the form that the address names; nothing is called. */
  async #openShared() {
    const call = readCall(location.hash);
    const link = this.#link;
    if (!call || !link) return;
    const { kind, name, values } = call;
    while (!this.features.find(kind, name) && this.features.cursorOf(kind) !== undefined) {
      const before = this.features.cursorOf(kind);
      await this.#load(kind, true);
      if (this.features.cursorOf(kind) === before) break;
    }
    if (this.#link !== link) return;
    const feature = this.features.find(kind, name) ?? (kind === "resources" ? { uri: name, name } : undefined);
    if (feature) this.#choose(kind, feature, values);
    else this.notices.change(this.texts.features.badLink, { name });
  }

  /** Say where one logs in and comes back, to the same form. */
  #loginUrl() {
    const url = new URL(this.known.loginUrl, location.href);
    const call =
      this.#shown && this.#call
        ? writeCall({ kind: this.#shown.kind, name: this.#shown.key, values: this.#call.values })
        : location.hash;
    url.searchParams.set("next", `${location.pathname}${call}`);
    return url.href;
  }
}

const root = document.getElementById("mcp-console");
const data = document.getElementById("mcp-console-data");
if (root && data) {
  new Console(root, JSON.parse(data.textContent ?? ""));
  document.getElementById("mcp-no-script")?.remove();
}
