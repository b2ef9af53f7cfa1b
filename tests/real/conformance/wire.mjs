// JSON-RPC over HTTP.

export const SERVER = { name: 'bonafide-conformance-fixture', version: '1.0.0' };

// An error on purpose, as a JSON-RPC client sees it.
export class RpcError extends Error {
  constructor(code, message, data, status = 200) {
    super(message);
    Object.assign(this, { code, data, status });
  }
}

export const sendJson = (response, status, message) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(message));
};

export const sendError = (response, status, id, code, message, data) =>
  sendJson(response, status, { jsonrpc: '2.0', id, error: { code, message, ...(data && { data }) } });

// A stream of events, open when the first is sent.
export const events = (response, headers = {}) => {
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache',
    'x-accel-buffering': 'no',
    ...headers,
  });
  const write = (lines) => response.write(`${lines.join('\n')}\n\n`);
  return {
    // A message, under an id if it can be asked for again.
    send: (message, id) => write([...(id ? [`id: ${id}`] : []), `data: ${JSON.stringify(message)}`]),
    // Something to resume from before there is anything to read.
    prime: (id, retry) => write([`id: ${id}`, `retry: ${retry}`, 'data: ']),
    end: () => response.end(),
  };
};

// Whether the client would rather have events: it names what it wants most first.
export const wantsEvents = (request) => /^\s*text\/event-stream/.test(request.headers.accept ?? '');
