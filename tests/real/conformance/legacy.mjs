// Revisions 2025-03-26 to 2025-11-25: sessions, streams that can be resumed, and requests of the server to its client.
import { randomUUID } from 'node:crypto';

import { complete, discover, listPrompts, listResources, listTemplates, listTools, prompt, resource, tool } from './features.mjs';
import { events, RpcError, SERVER, sendError, sendJson } from './wire.mjs';

const VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26'];
const sessions = new Map();

class Session {
  id = randomUUID();
  log = [];
  streams = new Map();
  waiting = new Map();
  asked = 0;

  constructor({ capabilities = {} }) {
    this.capabilities = capabilities;
    sessions.set(this.id, this);
  }

  // Sends, or keeps until somebody asks for it.
  send(stream, message) {
    const id = `${stream}_${this.log.length}`;
    this.log.push({ id, stream, message });
    this.streams.get(stream)?.send(message, id);
  }

  ask(stream, method, params) {
    this.asked += 1;
    const id = `server-${this.asked}`;
    const answer = new Promise((answered) => this.waiting.set(id, answered));
    this.send(stream, { jsonrpc: '2.0', id, method, params });
    return answer;
  }

  close(stream) {
    this.streams.get(stream)?.end();
    this.streams.delete(stream);
  }

  end() {
    sessions.delete(this.id);
    for (const stream of this.streams.keys()) this.close(stream);
  }
}

// GET opens a stream, or goes on with one that broke off. DELETE ends the session.
export const withoutBody = (request, response) => {
  const session = sessions.get(request.headers['mcp-session-id']);
  if (!['GET', 'DELETE'].includes(request.method)) return response.writeHead(405, { allow: 'GET, POST, DELETE' }).end();
  if (!session) return sendError(response, 404, null, -32001, 'no such session');
  if (request.method === 'DELETE') {
    session.end();
    return response.writeHead(204).end();
  }
  const last = request.headers['last-event-id'];
  const from = session.log.findIndex(({ id }) => id === last);
  const name = session.log[from]?.stream ?? randomUUID();
  const stream = events(response);
  session.streams.set(name, stream);
  response.on('close', () => session.streams.get(name) === stream && session.streams.delete(name));
  response.write(': open\n\n');
  for (const { id, stream: of, message } of session.log.slice(from + 1)) {
    if (of !== name || message === undefined) continue;
    stream.send(message, id);
    if (isAnswer(message)) session.close(name);
  }
};

const isAnswer = (message) => message.result !== undefined || message.error !== undefined;

export const answer = async (request, response, message) => {
  const { id, method, params = {} } = message;
  if (method === 'initialize') return initialize(response, id, params);
  const session = sessions.get(request.headers['mcp-session-id']);
  if (!session) return sendError(response, request.headers['mcp-session-id'] ? 404 : 400, id ?? null, -32001, 'no such session');
  if (id === undefined || !method) {
    session.waiting.get(id)?.(message.result);
    session.waiting.delete(id);
    return response.writeHead(202).end();
  }
  const name = randomUUID();
  const stream = events(response);
  session.streams.set(name, stream);
  const prime = `${name}_${session.log.length}`;
  session.log.push({ id: prime, stream: name });
  stream.prime(prime, 100);
  session.send(name, { jsonrpc: '2.0', id, ...(await outcome(session, name, method, params)) });
  session.close(name);
};

const initialize = (response, id, params) => {
  const session = new Session(params);
  const asked = params.protocolVersion;
  const protocolVersion = VERSIONS.includes(asked) ? asked : VERSIONS[0];
  response.setHeader('mcp-session-id', session.id);
  const result = { protocolVersion, capabilities: discover({ logging: {} }), serverInfo: SERVER };
  sendJson(response, 200, { jsonrpc: '2.0', id, result });
};

const outcome = async (session, stream, method, params) => {
  try {
    return { result: await call(session, stream, method, params) };
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    return { error: { code: error.code, message: error.message, ...(error.data && { data: error.data }) } };
  }
};

const call = async (session, stream, method, params) => {
  switch (method) {
    case 'ping':
    case 'logging/setLevel':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return {};
    case 'tools/list':
      return listTools();
    case 'prompts/list':
      return listPrompts();
    case 'resources/list':
      return listResources();
    case 'resources/templates/list':
      return listTemplates();
    case 'resources/read':
      return resource(params.uri, -32002);
    case 'prompts/get': {
      const found = prompt(params.name);
      if (!found.run) throw new RpcError(-32602, 'not in this revision');
      return found.run(params.arguments ?? {});
    }
    case 'tools/call':
      return callTool(session, stream, params);
    case 'completion/complete':
      return complete();
    default:
      throw new RpcError(-32601, `no such method: ${method}`);
  }
};

const callTool = async (session, stream, params) => {
  const found = tool(params.name);
  if (!found?.run || found.task || found.needs) throw new RpcError(-32602, 'no such tool in this revision');
  const token = params._meta?.progressToken;
  const notify = (method, content) => session.send(stream, { jsonrpc: '2.0', method, params: content });
  return found.run(params.arguments ?? {}, {
    progress: (progress) => token !== undefined && notify('notifications/progress', { progressToken: token, progress, total: 100 }),
    log: (data) => notify('notifications/message', { level: 'info', data }),
    request: (method, content) => session.ask(stream, method, content),
    hangUp: () => session.close(stream),
    changed: () => {},
  });
};
