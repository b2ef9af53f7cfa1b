// What a tool of revision 2026-07-28 asks of its user, in rounds, before it can answer.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

import { RpcError } from './wire.mjs';

const KEY = randomBytes(32);
const NEEDS = { 'elicitation/create': 'elicitation', 'sampling/createMessage': 'sampling', 'roots/list': 'roots' };

export const form = (message, name, type = 'string') => ({
  method: 'elicitation/create',
  params: {
    mode: 'form',
    message,
    requestedSchema: { type: 'object', properties: { [name]: { type } }, required: [name] },
  },
});

export const sampling = (text, maxTokens = 100) => ({
  method: 'sampling/createMessage',
  params: { messages: [{ role: 'user', content: { type: 'text', text } }], maxTokens },
});

export const roots = { method: 'roots/list', params: {} };

// `rounds`: what is asked, by name, one round after the other. `done`: the result, from all answers. `sealed`: what was answered
// travels with the client, and comes back as it went or not at all.
export const ask = ({ rounds, done, sealed }, { inputResponses, requestState }, capabilities) => {
  if (inputResponses === null) throw new RpcError(-32602, 'there are no answers');
  const able = ([, { method }]) => capabilities[NEEDS[method]];
  const state = requestState === undefined ? { round: 0, answers: {} } : open(requestState);
  for (;;) {
    const round = Object.fromEntries(Object.entries(rounds[state.round]).filter(able));
    for (const name of Object.keys(round)) {
      const answer = inputResponses?.[name];
      if (answer === undefined) continue;
      if (typeof answer !== 'object') throw new RpcError(-32602, 'an answer is an object');
      state.answers[name] = answer;
    }
    const unanswered = Object.entries(round).filter(([name]) => !(name in state.answers));
    if (unanswered.length > 0)
      return {
        resultType: 'input_required',
        inputRequests: Object.fromEntries(unanswered),
        ...(sealed && { requestState: seal(state) }),
      };
    state.round += 1;
    if (state.round === rounds.length) return done(state.answers);
  }
};

const sign = (text) => createHmac('sha256', KEY).update(text).digest();

const seal = (state) => {
  const text = Buffer.from(JSON.stringify(state)).toString('base64url');
  return `${text}.${sign(text).toString('base64url')}`;
};

const open = (sealed) => {
  const [text, signature = '', ...rest] = String(sealed).split('.');
  const given = Buffer.from(signature, 'base64url');
  // Compared as bytes and as text: more than one text makes the same bytes.
  const good = given.length === 32 && timingSafeEqual(given, sign(text)) && given.toString('base64url') === signature;
  if (!good || rest.length > 0) throw new RpcError(-32602, 'the state is not ours');
  return JSON.parse(Buffer.from(text, 'base64url'));
};
