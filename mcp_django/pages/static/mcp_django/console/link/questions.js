/** What the server asks us, in both eras. */

import { isObject } from "./protocol.js";

/** @import {Hears} from "./link.js" */

/** A question that the user does not answer. */
export class QuestionRefused extends Error {
  /** @param {string} message For the server. */
  constructor(message = "the user refused") {
    super(message);
    this.name = "QuestionRefused";
    this.code = -1;
  }
}

/** Methods by which servers ask. */
export const QUESTIONS = ["elicitation/create", "sampling/createMessage", "roots/list"];

/**
 * Answer the questions of one round, one after the other.
 *
 * Spec: 2026-07-28 basic/patterns/mrtr.
 *
 * @param {unknown} asked Of a result: key to question.
 * @param {Hears} hears
 * @param {AbortSignal} signal
 * @returns {Promise<Record<string, object>>} Key to answer.
 */
export async function answerRound(asked, hears, signal) {
  /** @type {Record<string, object>} */
  const answers = {};
  for (const [key, question] of Object.entries(isObject(asked) ? asked : {})) {
    const { method, params } = isObject(question) ? question : { method: "", params: {} };
    if (!QUESTIONS.includes(method)) {
      throw new Error(`the server asks ${JSON.stringify(method)}, which is unknown here`);
    }
    answers[key] = await hears.onQuestion(method, params ?? {}, signal);
  }
  return answers;
}
