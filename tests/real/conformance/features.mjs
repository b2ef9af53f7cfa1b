// What this server has, by the names that the suite uses.
import { embedded, image, PIXEL, text } from './content.mjs';
import { form } from './questions.mjs';
import { tools } from './tools.mjs';
import { RpcError } from './wire.mjs';

export const discover = (more) => ({
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  completions: {},
  ...more,
});

export const complete = () => ({ completion: { values: ['paris', 'park', 'party'], total: 3, hasMore: false } });

const NOTHING = { type: 'object', properties: {} };

export const listTools = () => ({
  tools: Object.entries(tools).map(([name, { description, inputSchema = NOTHING }]) => ({ name, description, inputSchema })),
});

export const tool = (name) => (Object.hasOwn(tools, name) ? tools[name] : undefined);

const resources = {
  'test://static-text': { mimeType: 'text/plain', text: 'A resource that is text.' },
  'test://static-binary': { mimeType: 'image/png', blob: PIXEL },
  'test://watched-resource': { mimeType: 'text/plain', text: 'A resource that is watched.' },
};

export const listResources = () => ({
  resources: Object.entries(resources).map(([uri, { mimeType }]) => ({
    uri,
    name: uri.slice('test://'.length),
    description: 'For the suite',
    mimeType,
  })),
});

export const listTemplates = () => ({
  resourceTemplates: [
    { uriTemplate: 'test://template/{id}/data', name: 'template', description: 'For the suite', mimeType: 'application/json' },
  ],
});

// `missing`: the error code of a resource that is not there, which depends on the revision.
export const resource = (uri, missing) => {
  if (Object.hasOwn(resources, uri)) return { contents: [{ uri, ...resources[uri] }] };
  const id = uri.match(/^test:\/\/template\/([^/]+)\/data$/)?.[1];
  if (id === undefined) throw new RpcError(missing, 'no such resource', { uri });
  return { contents: [{ uri, mimeType: 'application/json', text: JSON.stringify({ id }) }] };
};

const user = (...content) => ({ messages: content.map((part) => ({ role: 'user', content: part })) });
const needed = (...names) => names.map((name) => ({ name, description: `The ${name}`, required: true }));

const prompts = {
  test_simple_prompt: { run: () => user(text('A prompt.')) },
  test_prompt_with_arguments: {
    arguments: needed('arg1', 'arg2'),
    run: ({ arg1, arg2 }) => user(text(`A prompt with ${arg1} and ${arg2}.`)),
  },
  test_prompt_with_embedded_resource: {
    arguments: needed('resourceUri'),
    run: ({ resourceUri }) => user(embedded(resourceUri, 'A resource in a prompt.'), text('Read that.')),
  },
  test_prompt_with_image: { run: () => user(image, text('Look at that.')) },
  test_input_required_result_prompt: {
    questions: {
      rounds: [{ user_context: form('What is it about?', 'context') }],
      done: ({ user_context: answer }) => user(text(`A prompt about ${answer?.content?.context}.`)),
    },
  },
};

export const listPrompts = () => ({
  prompts: Object.entries(prompts).map(([name, { arguments: wanted }]) => ({
    name,
    description: 'For the suite',
    ...(wanted && { arguments: wanted }),
  })),
});

export const prompt = (name) => {
  if (!Object.hasOwn(prompts, name)) throw new RpcError(-32602, 'no such prompt');
  return prompts[name];
};
