/** Formats of texts: how each is written, and which field it has. */

/** @type {Record<string, RegExp>} */
const FORMATS = {
  email: /^[^\s@]+@[^\s@]+$/,
  uri: /^[a-z][a-z0-9+.-]*:\S+$/i,
  url: /^[a-z][a-z0-9+.-]*:\S+$/i,
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i,
  date: /^\d{4}-\d\d-\d\d$/,
  time: /^\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?$/i,
  "date-time": /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$/i,
};

/**
 * Say whether a text is written as its format wants; true for formats not known here.
 *
 * @param {string} format
 * @param {string} text
 */
export function matchesFormat(format, text) {
  const written = Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
  if (written && !written.test(text)) return false;
  return format !== "date" || isDay(text);
}

/**
 * Say whether a text of digits is a day of the calendar.
 *
 * @param {string} text
 */
function isDay(text) {
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
}

/**
 * Give a moment as `<input type="datetime-local">` shows it; "" for what is no moment.
 *
 * @param {string} text
 */
export function toLocal(text) {
  const moment = new Date(text);
  if (!matchesFormat("date-time", text) || Number.isNaN(moment.getTime())) return "";
  const local = new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19);
}

/**
 * Give a moment as JSON has it, with the offset of the reader's time zone.
 *
 * @param {string} local As `<input type="datetime-local">` has it.
 */
export function fromLocal(local) {
  const moment = new Date(local);
  if (Number.isNaN(moment.getTime())) return "";
  const offset = -moment.getTimezoneOffset();
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  const size = Math.abs(offset);
  const zone = `${offset < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
  return `${local.length === 16 ? `${local}:00` : local}${zone}`;
}

/** Name the reader's time zone, such as "Europe/Berlin". */
export function timeZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}
