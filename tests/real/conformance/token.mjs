// For `node --import`: requests to ORIGIN carry TOKEN, whichever of Node's clients sends them. The suite has no option for it.
import http from 'node:http';

import { Agent, setGlobalDispatcher } from 'undici';

const { ORIGIN, TOKEN } = process.env;
const authorization = `Bearer ${TOKEN}`;

// `fetch` and undici's own `request`.
const withToken = (dispatch) => (options, handler) => {
  if (String(options.origin) !== ORIGIN) return dispatch(options, handler);
  const { headers } = options;
  const flat = Array.isArray(headers) ? headers : Object.entries(headers ?? {}).flat();
  return dispatch({ ...options, headers: [...flat, 'authorization', authorization] }, handler);
};
setGlobalDispatcher(new Agent().compose(withToken));

const { request } = http;
http.request = (options, ...rest) => {
  const { hostname, port, headers } = options;
  const ours = `http://${hostname}:${port}` === ORIGIN;
  return request(ours ? { ...options, headers: { ...headers, authorization } } : options, ...rest);
};
