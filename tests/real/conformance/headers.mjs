// Headers that repeat what the body says.

// Text that is no plain ASCII is sent as `=?base64?…?=`.
const ENCODED = /^=\?base64\?(.*)\?=$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export const header = (headers, name) => {
  const value = headers[name.toLowerCase()];
  const encoded = value?.match(ENCODED)?.[1];
  if (encoded === undefined) return value;
  return BASE64.test(encoded) ? Buffer.from(encoded, 'base64').toString() : undefined;
};

// The arguments that a tool wants in headers too: `x-mcp-header` in its schema.
export const headerParameters = (schema, values) =>
  Object.entries(schema?.properties ?? {})
    .filter(([name, property]) => property['x-mcp-header'] && values[name] !== undefined)
    .map(([name, property]) => [`Mcp-Param-${property['x-mcp-header']}`, String(values[name])]);
