// Revision 2026-07-28: every request stands alone.
import { complete, discover, listPrompts, listResources, listTemplates, listTools, prompt, resource, tool } from './features.mjs';
import { header, headerParameters } from './headers.mjs';
import { ask } from './questions.mjs';
import * as tasks from './tasks.mjs';
import { events, RpcError, SERVER, sendError, sendJson, wantsEvents } from './wire.mjs';

const VERSION = '2026-07-28';
const LEGACY = ['2025-03-26', '2025-06-18', '2025-11-25'];
const META = 'io.modelcontextprotocol/';
const NAMES = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
};
const listeners = new Set();

export const speaks = ({ headers }, { params }) => {
  const version = headers['mcp-protocol-version'];
  return Boolean(params?._meta?.[`${META}protocolVersion`]) || (version !== undefined && !LEGACY.includes(version));
};

export const answer = async (request, response, message) => {
  const { id, method, params = {} } = message;
  if (id === undefined) return response.writeHead(202).end();
  let stream;
  const open = () => (stream ??= events(response));
  try {
    const client = check(request, message);
    if (method === 'subscriptions/listen') return listen(open(), response, id, params);
    if (wantsEvents(request)) open();
    const notify = (name, content) => open().send({ jsonrpc: '2.0', method: name, params: content });
    const result = { resultType: 'complete', ...(await call(method, params, client, notify)) };
    result._meta = { ...result._meta, [`${META}serverInfo`]: SERVER };
    if (!stream) return sendJson(response, 200, { jsonrpc: '2.0', id, result });
    stream.send({ jsonrpc: '2.0', id, result });
    return stream.end();
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    const { code, message: text, data, status } = error;
    if (!stream) return sendError(response, status, id, code, text, data);
    stream.send({ jsonrpc: '2.0', id, error: { code, message: text, ...(data && { data }) } });
    return stream.end();
  }
};

// Headers and body agree, and the client says what it is. What it can do, and what it wants to be told.
const check = ({ headers }, { method, params }) => {
  const mismatch = (name) => new RpcError(-32020, `the header ${name} does not say what the body says`, undefined, 400);
  if (header(headers, 'mcp-method') !== method) throw mismatch('Mcp-Method');
  const meta = params?._meta ?? {};
  const version = meta[`${META}protocolVersion`];
  const capabilities = meta[`${META}clientCapabilities`];
  if (!version || !capabilities) throw new RpcError(-32602, 'the request does not say version and capabilities', undefined, 400);
  const said = headers['mcp-protocol-version'];
  if (said !== version) throw mismatch('MCP-Protocol-Version');
  if (said !== VERSION) throw new RpcError(-32022, 'unsupported version', { supported: [VERSION], requested: said }, 400);
  const name = NAMES[method] && params[NAMES[method]];
  if (name !== undefined && header(headers, 'mcp-name') !== name) throw mismatch('Mcp-Name');
  if (method === 'tools/call')
    for (const [parameter, value] of headerParameters(tool(params.name)?.inputSchema, params.arguments ?? {}))
      if (header(headers, parameter) !== value) throw mismatch(parameter);
  return { capabilities, logs: Boolean(meta[`${META}logLevel`]), token: meta.progressToken };
};

// May be kept, by the one who asked.
const kept = (result) => ({ ttlMs: 1000, cacheScope: 'private', ...result });

const call = async (method, params, client, notify) => {
  switch (method) {
    case 'server/discover':
      return kept({ supportedVersions: [VERSION], capabilities: discover({ extensions: { [tasks.EXTENSION]: {} } }) });
    case 'tools/list':
      return kept(listTools());
    case 'prompts/list':
      return kept(listPrompts());
    case 'resources/list':
      return kept(listResources());
    case 'resources/templates/list':
      return kept(listTemplates());
    case 'resources/read':
      return kept(resource(params.uri, -32602));
    case 'prompts/get': {
      const found = prompt(params.name);
      return found.questions ? ask(found.questions, params, client.capabilities) : found.run(params.arguments ?? {});
    }
    case 'tools/call':
      return callTool(params, client, notify);
    case 'completion/complete':
      return complete();
    default:
      return tasks.call(method, params, client.capabilities);
  }
};

const callTool = async (params, client, notify) => {
  const found = tool(params.name);
  if (!found || found.legacy) throw new RpcError(-32602, 'no such tool in this revision');
  const { capabilities, logs, token } = client;
  for (const needed of found.needs ?? []) if (!capabilities[needed]) throw tasks.lacks({ [needed]: {} });
  if (found.task) return tasks.start(found, params, capabilities);
  if (found.questions) return ask(found.questions, params, capabilities);
  return found.run(params.arguments ?? {}, {
    progress: (progress) => token !== undefined && notify('notifications/progress', { progressToken: token, progress, total: 100 }),
    log: (data) => logs && notify('notifications/message', { level: 'info', data }),
    changed: announce,
  });
};

// A stream that tells of what it was opened for.
const listen = (stream, response, id, { notifications = {} }) => {
  const send = (method, params = {}) =>
    stream.send({ jsonrpc: '2.0', method, params: { ...params, _meta: { [`${META}subscriptionId`]: id } } });
  const listener = { notifications, send };
  listeners.add(listener);
  response.on('close', () => listeners.delete(listener));
  send('notifications/subscriptions/acknowledged', { notifications });
};

const announce = (kind) => {
  for (const { notifications, send } of listeners)
    if (notifications[`${kind}ListChanged`]) send(`notifications/${kind}/list_changed`);
};
