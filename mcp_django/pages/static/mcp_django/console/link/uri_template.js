/** URI templates, as resources have them. Spec: RFC 6570. */

const OPERATORS = /** @type {Record<string, {first: string, between: string, named: boolean, reserved: boolean}>} */ ({
  "": { first: "", between: ",", named: false, reserved: false },
  "+": { first: "", between: ",", named: false, reserved: true },
  "#": { first: "#", between: ",", named: false, reserved: true },
  ".": { first: ".", between: ".", named: false, reserved: false },
  "/": { first: "/", between: "/", named: false, reserved: false },
  ";": { first: ";", between: ";", named: true, reserved: false },
  "?": { first: "?", between: "&", named: true, reserved: false },
  "&": { first: "&", between: "&", named: true, reserved: false },
});

const EXPRESSION = /\{([+#./;?&]?)([^{}]*)\}/g;

/**
 * Name the variables of a template, each once, in order.
 *
 * @param {string} template
 * @returns {{name: string, isOptional: boolean}[]} Queries may be left out, paths may not.
 */
export function variablesOf(template) {
  /** @type {Map<string, boolean>} */
  const found = new Map();
  for (const [, operator, names] of template.matchAll(EXPRESSION)) {
    for (const { name } of specsOf(names)) {
      if (!found.has(name)) found.set(name, operator === "?" || operator === "&");
    }
  }
  return [...found].map(([name, isOptional]) => ({ name, isOptional }));
}

/**
 * Make a URI of a template.
 *
 * @param {string} template
 * @param {Record<string, unknown>} values Those that are missing are left out.
 */
export function expand(template, values) {
  return template.replace(EXPRESSION, (_whole, operator, names) => {
    const { first, between, named, reserved } = OPERATORS[operator];
    const parts = specsOf(names).flatMap(({ name, length }) => {
      const value = values[name];
      if (value === undefined || value === null || value === "") return [];
      const text = encoded([...String(value)].slice(0, length).join(""), reserved);
      return [named ? `${name}=${text}` : text];
    });
    return parts.length ? first + parts.join(between) : "";
  });
}

/** @param {string} names */
function specsOf(names) {
  return names.split(",").map((spec) => {
    const [, name, length] = /^([^:*]*)(?::(\d+))?\*?$/.exec(spec.trim()) ?? ["", spec];
    return { name, length: length === undefined ? undefined : Number(length) };
  });
}

/**
 * @param {string} text
 * @param {boolean} reserved Whether characters that mean something in URIs stay.
 */
function encoded(text, reserved) {
  const escaped = encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  if (!reserved) return escaped;
  return escaped.replace(/%(?:2[1346789ABCF]|3[ABDF]|40|5[BD])/g, decodeURIComponent);
}
