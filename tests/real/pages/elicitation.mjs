// From a call that lacks a key to its answer: the FastMCP client calls a tool, its user opens the page that it is sent to, signs in,
// enters the key, and the call goes on.
//
// ORIGIN: a proxy that is a demonstration. TOKENS: tokens of `alice` and `bob`, as JSON. PYTHON: one with FastMCP.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { accessible, launch, person, report, signInTo } from './browser.mjs';

const { ORIGIN, PYTHON } = process.env;
const TOKENS = JSON.parse(process.env.TOKENS);
const client = join(dirname(fileURLToPath(import.meta.url)), 'asking_client.py');
const browser = await launch();
const keys = { alice: `ghp_${'alicecanary'.repeat(4)}`, bob: `ghp_${'bobcanary'.repeat(5)}` };

// Changes a value as a program would.
const set = async (user, value) => {
  const response = await fetch(`${ORIGIN}/api/tenants/github/variables/GITHUB_TOKEN`, {
    method: value ? 'PUT' : 'DELETE',
    headers: { authorization: `Bearer ${TOKENS[user]}`, 'content-type': 'application/json' },
    body: value && JSON.stringify({ value }),
  });
  assert.ok([204, 404].includes(response.status), `${response.status}`);
};

// A call of `whoami`, and the lines that its client writes.
const call = (user, mode) => {
  const env = { ...process.env, URL: `${ORIGIN}/github/mcp`, TOKEN: TOKENS[user], MODE: mode };
  const part = spawn(PYTHON, [client], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: part.stdout })[Symbol.asyncIterator]();
  return {
    next: async () => JSON.parse((await lines.next()).value ?? '{"error":"it ended"}'),
    again: () => part.stdin.write('\n'),
    end: () => part.kill(),
  };
};

const asked = async (calling) => {
  const line = await calling.next();
  const { asked: link } = line;
  assert.ok(link?.startsWith(`${ORIGIN}/connections/github?e=`), JSON.stringify(line));
  return link;
};

const within = async (user, link, run) => {
  const someone = await person(browser, ORIGIN);
  try {
    await signInTo(ORIGIN, 'demo', someone.page, user, link);
    await run(someone.page);
    assert.deepEqual(someone.faults, []);
  } finally {
    await someone.close();
  }
};

const enter = async (page, user) => {
  await page.fill('#v-GITHUB_TOKEN', keys[user]);
  await page.getByRole('button', { name: /save/i }).click();
  assert.match(await page.getByRole('status').textContent(), /Saved/);
};

const reached = async (calling, user) => {
  const { result, is_error: isError, error } = await calling.next();
  assert.ok(result && !isError, `${error ?? result}`);
  const seen = JSON.parse(result);
  assert.equal(seen.authorization, `Bearer ${keys[user]}`);
  assert.equal(seen['x-user-id'], user);
};

const checks = {
  'a call is held until its user has entered the key on the page': async () => {
    await set('alice', null);
    await set('bob', keys.bob);
    const calling = call('alice', '2026-07-28');
    try {
      const link = await asked(calling);
      const answer = reached(calling, 'alice');
      let answered = false;
      answer.catch(() => {}).finally(() => (answered = true));
      await within('alice', link, async (page) => {
        assert.equal(page.url(), link);
        await accessible(page, 'a page from a link');
        assert.equal(answered, false, 'the call did not wait');
        await enter(page, 'alice');
      });
      await answer;
    } finally {
      calling.end();
    }
  },

  'a call that is refused with the page goes through when it is made again': async () => {
    await set('alice', null);
    const calling = call('alice', 'legacy');
    try {
      await within('alice', await asked(calling), (page) => enter(page, 'alice'));
      calling.again();
      await reached(calling, 'alice');
    } finally {
      calling.end();
    }
  },

  'a link that was made for somebody else is refused in words, and the call still waits for its own user': async () => {
    await set('alice', null);
    const calling = call('alice', '2026-07-28');
    try {
      const link = await asked(calling);
      await within('bob', link, async (page) => {
        assert.match(await page.textContent('h1'), /made for somebody else/);
        assert.match(await page.textContent('main'), /signed in as Bob/);
        assert.equal(await page.locator('#v-GITHUB_TOKEN').count(), 0, 'there is a field');
        await accessible(page, "another user's link");
        const response = await page.reload();
        assert.equal(response.status(), 403);
      });
      await within('alice', link, (page) => enter(page, 'alice'));
      await reached(calling, 'alice');
    } finally {
      calling.end();
    }
  },
};

const good = await report(checks);
await browser.close();
process.exit(good ? 0 : 1);
