// An MCP server with all that `@modelcontextprotocol/conformance` asks for, in both eras of the protocol, on a free port of
// 127.0.0.1. It says `ready PORT` and ends when standard input does.
//
// Every byte it sends is decided here. With an SDK in between, what that one can't do yet would be missing directly and through
// the gateway alike, and its checks would say nothing.
import { createServer } from 'node:http';

import * as legacy from './legacy.mjs';
import * as modern from './modern.mjs';
import { sendError } from './wire.mjs';

const PATH = '/mcp';

const server = createServer(async (request, response) => {
  const { port } = server.address();
  const { host, origin } = request.headers;
  const own = [`127.0.0.1:${port}`, `localhost:${port}`];
  // A page of another site may have led its browser here.
  if (!own.includes(host) || (origin && !own.includes(new URL(origin).host))) return sendError(response, 403, null, -32600, 'not here');
  if (request.url !== PATH) return sendError(response, 404, null, -32600, 'not here');
  if (request.method !== 'POST') return legacy.withoutBody(request, response);
  const message = await read(request);
  if (!message) return sendError(response, 400, null, -32700, 'no JSON');
  const era = modern.speaks(request, message) ? modern : legacy;
  return era.answer(request, response, message);
});

const read = async (request) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  try {
    return JSON.parse(Buffer.concat(chunks));
  } catch {
    return null;
  }
};

server.listen(0, '127.0.0.1', () => console.log(`ready ${server.address().port}`));
process.stdin.on('end', () => process.exit()).resume();
