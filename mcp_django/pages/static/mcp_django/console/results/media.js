/** Images, sounds and other bytes of an answer, from `data:` URLs and within bounds. */

import { make } from "../dom.js";
import { format, number } from "../texts.js";
import { theirs } from "../theirs.js";

/** @typedef {Record<string, string>} Texts */

/** Characters of base64 that are shown at once; more can be saved. */
export const MOST_SHOWN = 14_000_000;

/** Types that an `<img>` shows; what is in an SVG cannot run there. */
const IMAGES = /^image\/(png|jpeg|gif|webp|avif|bmp|x-icon|vnd\.microsoft\.icon|svg\+xml)$/;
const SOUNDS = /^audio\/[a-z0-9.+-]{1,60}$/;

/**
 * Show an image or a sound.
 *
 * @param {string} data In base64.
 * @param {string} type Its media type.
 * @param {Texts} texts
 * @returns {HTMLElement}
 */
export function showMedia(data, type, texts) {
  return showBlob(data, type, "", texts);
}

/**
 * Show bytes: as an image or a sound where they are one, otherwise as what can be saved.
 *
 * @param {string} data In base64.
 * @param {string} type Their media type.
 * @param {string} uri Names the file that they are saved as.
 * @param {Texts} texts
 * @returns {HTMLElement}
 */
export function showBlob(data, type, uri, texts) {
  const plainType = type.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const padding = data.endsWith("==") ? 2 : data.endsWith("=") ? 1 : 0;
  const size = Math.floor(((data.length - padding) * 3) / 4);
  const facts = [plainType, format(texts.bytes, { size: number(size) })].filter(Boolean).join(", ");
  const notes = make("p", { className: "mcp-quiet mcp-small" }, theirs(facts), " ");
  const element = make("div", { className: "mcp-result-media" }, notes);
  if (/[^\w+/=\s-]/.test(data)) {
    notes.append(format(texts.no_base64));
    return element;
  }
  notes.append(saver(data, plainType, uri, texts));
  const isShown = IMAGES.test(plainType) || SOUNDS.test(plainType);
  if (isShown && data.length > MOST_SHOWN) notes.append(" ", format(texts.too_big));
  else if (isShown) element.prepend(player(data, plainType, facts, texts));
  return element;
}

/**
 * @param {string} data
 * @param {string} type
 * @param {string} facts
 * @param {Texts} texts
 */
function player(data, type, facts, texts) {
  const src = `data:${type};base64,${data.replace(/\s/g, "")}`;
  const player = IMAGES.test(type)
    ? make("img", { alt: format(texts.image, { facts }), src })
    : make("audio", { controls: true, src });
  if (player.tagName === "AUDIO") player.setAttribute("aria-label", format(texts.sound, { facts }));
  player.addEventListener("error", () => {
    player.replaceWith(make("p", { className: "mcp-notice mcp-warning" }, format(texts.broken_media, { type })));
  });
  return player;
}

/**
 * Make a button that saves bytes as a file.
 *
 * @param {string} data
 * @param {string} type
 * @param {string} uri
 * @param {Texts} texts
 */
function saver(data, type, uri, texts) {
  const button = make("button", { type: "button", className: "mcp-link" }, format(texts.save));
  button.addEventListener("click", () => {
    const url = URL.createObjectURL(new Blob([bytesOf(data)], { type: "application/octet-stream" }));
    make("a", { href: url, download: fileName(uri, type) }).click();
    // The browser has taken it when this turn is over.
    setTimeout(() => URL.revokeObjectURL(url));
  });
  return button;
}

/** @param {string} data */
function bytesOf(data) {
  const plain = data.replace(/\s/g, "").replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(plain), (letter) => letter.charCodeAt(0));
}

/** @param {string} uri @param {string} type */
function fileName(uri, type) {
  const last = uri.split(/[?#]/, 1)[0]?.split("/").pop()?.replace(/[^\w.-]/g, "_");
  return last || `content.${type.split("/")[1]?.split("+")[0]?.replace(/\W/g, "") || "bin"}`;
}
