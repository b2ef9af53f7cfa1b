// The tools. `run` gets the arguments and what belongs to the call. `legacy`: needs what revision 2026-07-28 has no more.
import { setTimeout as sleep } from 'node:timers/promises';

import { audio, embedded, image, says } from './content.mjs';
import { form, roots, sampling } from './questions.mjs';

const STEP = 50;

const schema = (properties, required = Object.keys(properties)) => ({ type: 'object', properties, required });
const string = { type: 'string' };

// Keywords of JSON Schema that somebody on the way might not know.
const SCHEMA_2020_12 = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: { address: { $anchor: 'addressDef', type: 'object', properties: { street: string, city: string } } },
  properties: {
    name: string,
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: string,
    email: string,
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
};

const plain = {
  test_simple_text: { description: 'Answers with text', run: () => says('A simple text.') },
  test_image_content: { description: 'Answers with a picture', run: () => says(image) },
  test_audio_content: { description: 'Answers with a sound', run: () => says(audio) },
  test_embedded_resource: {
    description: 'Answers with a resource',
    run: () => says(embedded('test://embedded-resource', 'A resource in an answer.')),
  },
  test_multiple_content_types: {
    description: 'Answers with several things',
    run: () => says('Several things:', image, embedded('test://mixed-content-resource', '{"value":1}', 'application/json')),
  },
  test_error_handling: { description: 'Fails', run: () => ({ ...says('It failed, as it should.'), isError: true }) },
  test_tool_with_progress: {
    description: 'Tells how far it is',
    run: async (_, { progress }) => {
      for (const done of [0, 50, 100]) {
        progress(done);
        await sleep(STEP);
      }
      return says('All done.');
    },
  },
  json_schema_2020_12_tool: { description: 'Has a rich schema', inputSchema: SCHEMA_2020_12, run: () => says('Well formed.') },
  test_header_parameter: {
    description: 'Wants an argument in a header too',
    inputSchema: schema({ region: { ...string, 'x-mcp-header': 'Region' } }),
    run: ({ region }) => says(`In ${region}.`),
  },
  test_logging_tool: {
    description: 'Logs if it is asked to',
    run: (_, { log }) => {
      log('a line');
      return says('Logged.');
    },
  },
  test_missing_capability: { description: 'Needs a client that samples', needs: ['sampling'], run: () => says('Sampled.') },
  test_trigger_tool_change: {
    description: 'Says that the tools have changed',
    run: (_, { changed }) => {
      changed('tools');
      return says('Said.');
    },
  },
  test_trigger_prompt_change: {
    description: 'Says that the prompts have changed',
    run: (_, { changed }) => {
      changed('prompts');
      return says('Said.');
    },
  },
};

const elicits = (description, message, properties) => ({
  description,
  legacy: true,
  run: async (values, { request }) => {
    const params = { message: values.message ?? message, requestedSchema: { type: 'object', properties } };
    const answer = await request('elicitation/create', params);
    return says(`The user answered: ${JSON.stringify(answer)}`);
  },
});

const titled = (...names) => names.map((name) => ({ const: name, title: name.toUpperCase() }));

const legacy = {
  test_tool_with_logging: {
    description: 'Logs three lines',
    legacy: true,
    run: async (_, { log }) => {
      for (const line of ['started', 'at work', 'done']) {
        log(line);
        await sleep(STEP);
      }
      return says('Logged.');
    },
  },
  test_reconnection: {
    description: 'Closes its stream before it answers',
    legacy: true,
    run: async (_, { hangUp }) => {
      hangUp();
      await sleep(2 * STEP);
      return says('Here I am again.');
    },
  },
  test_sampling: {
    description: 'Asks the model of the client',
    legacy: true,
    inputSchema: schema({ prompt: string }),
    run: async ({ prompt }, { request }) => {
      const { method, params } = sampling(prompt);
      return says(`The model answered: ${JSON.stringify(await request(method, params))}`);
    },
  },
  test_elicitation: {
    ...elicits('Asks the user', 'Who are you?', { username: string, email: string }),
    inputSchema: schema({ message: string }),
  },
  test_elicitation_sep1034_defaults: elicits('Asks the user, with defaults', 'Is that right?', {
    name: { ...string, default: 'John Doe' },
    age: { type: 'integer', default: 30 },
    score: { type: 'number', default: 95.5 },
    status: { ...string, enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean', default: true },
  }),
  test_elicitation_sep1330_enums: elicits('Asks the user to choose', 'Which?', {
    untitledSingle: { ...string, enum: ['option1', 'option2', 'option3'] },
    titledSingle: { ...string, oneOf: titled('value1', 'value2', 'value3') },
    legacyEnum: { ...string, enum: ['opt1', 'opt2', 'opt3'], enumNames: ['One', 'Two', 'Three'] },
    untitledMulti: { type: 'array', items: { ...string, enum: ['option1', 'option2', 'option3'] } },
    titledMulti: { type: 'array', items: { anyOf: titled('value1', 'value2', 'value3') } },
  }),
};

const asks = (rounds, { done = () => says('Thank you.'), sealed = false } = {}) => ({
  description: 'Asks before it answers',
  questions: { rounds, done, sealed },
});

const name = form('What is your name?', 'name');
const greet = (answer) => says(`Hello, ${answer?.content?.name}!`);

const asking = {
  test_input_required_result_elicitation: asks([{ user_name: name }], { done: ({ user_name: answer }) => greet(answer) }),
  test_streaming_elicitation: asks([{ user_name: name }]),
  test_input_required_result_sampling: asks([{ capital_question: sampling('What is the capital of France?') }]),
  test_input_required_result_list_roots: asks([{ client_roots: roots }]),
  test_input_required_result_request_state: asks([{ confirm: form('Is that right?', 'ok', 'boolean') }], {
    done: () => says('state-ok'),
    sealed: true,
  }),
  test_input_required_result_multiple_inputs: asks([{ user_name: name, greeting: sampling('A greeting', 50), client_roots: roots }], {
    sealed: true,
  }),
  test_input_required_result_multi_round: asks([{ step1: name }, { step2: form('Which colour?', 'color') }], { sealed: true }),
  test_input_required_result_tampered_state: asks([{ confirm: form('Is that right?', 'ok', 'boolean') }], { sealed: true }),
  test_input_required_result_capabilities: asks([{ user_name: name, greeting: sampling('A greeting', 50) }]),
};

const tasks = {
  not_for_guests: { description: 'Is denied to some users', run: () => says('Welcome.') },
  greet: { description: 'Greets', inputSchema: schema({ name: string }), run: ({ name }) => says(`Hello, ${name}!`) },
  slow_compute: {
    description: 'Takes as long as it is told',
    task: 'optional',
    inputSchema: schema({ seconds: { type: 'number' }, label: string }, ['seconds']),
    run: async ({ seconds, label }, { signal }) => {
      await sleep(1000 * seconds, undefined, { signal });
      return says(`Computed ${label}.`);
    },
  },
  failing_job: {
    description: 'Fails after a while',
    task: 'required',
    run: async (_, { signal }) => {
      await sleep(1000, undefined, { signal });
      return { ...says('It failed, as it should.'), isError: true };
    },
  },
  protocol_error_job: {
    description: 'Breaks',
    task: 'required',
    run: () => {
      throw new Error('broken on purpose');
    },
  },
  confirm_delete: {
    description: 'Asks before it pretends to delete',
    task: 'required',
    inputSchema: schema({ filename: string }),
    run: async ({ filename }, { question }) => {
      const answer = await question('confirm', form(`Delete ${filename}?`, 'confirm', 'boolean'));
      return says(answer.content?.confirm ? `Deleted ${filename}.` : 'Nothing was deleted.');
    },
  },
  multi_input: {
    description: 'Asks two things at once',
    task: 'required',
    run: async (_, { question }) => {
      await Promise.all([question('first', name), question('second', name)]);
      return says('Both are there.');
    },
  },
  test_tool_with_task: {
    description: 'Asks, and then takes its time',
    task: 'required',
    questions: { rounds: [{ user_name: name }] },
    run: (_, { answers }) => greet(answers.user_name),
  },
};

export const tools = { ...plain, ...legacy, ...asking, ...tasks };
