// The extension `io.modelcontextprotocol/tasks` of revision 2026-07-28.
import { randomUUID } from 'node:crypto';

import { ask } from './questions.mjs';
import { RpcError } from './wire.mjs';

export const EXTENSION = 'io.modelcontextprotocol/tasks';
const all = new Map();

export const lacks = (requiredCapabilities) =>
  new RpcError(-32021, 'the client does not have what this needs', { requiredCapabilities }, 400);

const unknown = (method) => new RpcError(-32601, `no such method: ${method}`, undefined, 404);
const declared = (capabilities) => Boolean(capabilities.extensions?.[EXTENSION]);

export const call = (method, params, capabilities) => {
  const run = { 'tasks/get': get, 'tasks/update': update, 'tasks/cancel': cancel }[method];
  if (!run) throw unknown(method);
  if (!declared(capabilities)) throw lacks({ extensions: { [EXTENSION]: {} } });
  const task = all.get(params.taskId);
  if (!task) throw new RpcError(-32602, 'no such task');
  return run(task, params);
};

// Calls a tool that takes its time. `first`: what it asks before it begins.
export const start = (tool, params, capabilities) => {
  const values = params.arguments ?? {};
  if (!declared(capabilities)) {
    if (tool.task === 'required') throw lacks({ extensions: { [EXTENSION]: {} } });
    return tool.run(values, { question: undefined, signal: AbortSignal.timeout(60_000) });
  }
  if (!tool.questions) return create(tool, values);
  return ask({ ...tool.questions, done: (answers) => create(tool, values, answers) }, params, capabilities);
};

const create = (tool, values, answers) => {
  const now = new Date().toISOString();
  const task = {
    shown: { taskId: randomUUID(), status: 'working', createdAt: now, lastUpdatedAt: now, ttlMs: 600_000, pollIntervalMs: 100 },
    questions: {},
    waiting: new Map(),
    end: new AbortController(),
  };
  all.set(task.shown.taskId, task);
  run(tool, values, answers, task);
  return { resultType: 'task', ...task.shown };
};

const set = (task, change) => {
  if (!task.end.signal.aborted) Object.assign(task.shown, change, { lastUpdatedAt: new Date().toISOString() });
};

const run = async (tool, values, answers, task) => {
  const question = (name, request) =>
    new Promise((answered) => {
      task.questions[name] = request;
      task.waiting.set(name, answered);
      set(task, { status: 'input_required' });
    });
  try {
    const result = await tool.run(values, { answers, question, signal: task.end.signal });
    set(task, { status: 'completed', result });
  } catch (error) {
    set(task, { status: 'failed', error: { code: -32603, message: error.message } });
  }
};

const get = ({ shown, questions }) => ({
  ...shown,
  ...(shown.status === 'input_required' && { inputRequests: { ...questions } }),
});

const update = (task, { inputResponses = {} }) => {
  for (const [name, answer] of Object.entries(inputResponses)) {
    const answered = task.waiting.get(name);
    if (!answered) continue;
    task.waiting.delete(name);
    delete task.questions[name];
    if (task.waiting.size === 0) set(task, { status: 'working' });
    answered(answer);
  }
  return {};
};

const cancel = (task) => {
  if (!['completed', 'failed', 'cancelled'].includes(task.shown.status)) {
    set(task, { status: 'cancelled' });
    task.end.abort();
  }
  return {};
};
