/** Values of JSON. */

/**
 * Say whether a value is an object of JSON.
 *
 * @param {unknown} value
 * @returns {value is Record<string, any>}
 */
export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Say whether two values of JSON are the same, in whichever order their members are.
 *
 * @param {any} first
 * @param {any} second
 * @returns {boolean}
 */
export function same(first, second) {
  if (Object.is(first, second)) return true;
  if (typeof first !== "object" || typeof second !== "object") return first === second;
  if (first === null || second === null) return false;
  if (Array.isArray(first) !== Array.isArray(second)) return false;
  const names = Object.keys(first);
  return (
    names.length === Object.keys(second).length &&
    names.every((name) => Object.hasOwn(second, name) && same(first[name], second[name]))
  );
}

/**
 * Say whether a list has a value.
 *
 * @param {any[]} values
 * @param {any} value
 */
export function includes(values, value) {
  return values.some((one) => same(one, value));
}

/**
 * Name the type of a value as JSON Schema does.
 *
 * @param {any} value
 */
export function typeOf(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value;
}
