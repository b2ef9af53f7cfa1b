// Runs the checks against `mcp-proxy demo` and against `mcp-proxy serve` with oidc-provider, the way from a call to its key
// and back with the FastMCP client, sessions that end, and schemathesis against the API's document. Arguments name the suites to
// run; without, all are. PROXY: the binary. SCREENSHOTS: where pictures of the demonstration go, if they are wanted.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const { PROXY } = process.env;
const directory = mkdtempSync(join(tmpdir(), 'bonafide-pages-'));
const parts = [];

// A program that goes on running, and the first match in what it writes.
const start = (command, args, wanted, env = {}) =>
  new Promise((found, failed) => {
    const part = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    parts.push(part);
    const written = [];
    for (const stream of [part.stdout, part.stderr])
      createInterface({ input: stream }).on('line', (line) => {
        written.push(line);
        const match = line.match(wanted);
        if (match) found(match[1]);
      });
    part.on('exit', (code) => failed(new Error(`${command} ended with ${code}:\n${written.join('\n')}`)));
  });

const freePort = () =>
  new Promise((found) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => found(port));
    });
  });

// Runs a program to its end; whether all was right. It is waited for, so that what the others write is read: a proxy whose
// log nobody reads stops when the pipe is full.
const ends = (command, args, options = {}) =>
  new Promise((found, failed) => {
    const part = spawn(command, args, { ...options, stdio: 'inherit' });
    part.on('error', failed).on('exit', (code) => found(code === 0));
  });

const checks = (env, script = 'checks.mjs') =>
  ends('node', [join(here, script)], { env: { ...process.env, ...env } });

const demo = async () => {
  console.log('against mcp-proxy demo');
  const origin = await start(PROXY, ['demo'], /the page\s+(http:\/\/[^/]+)\/connections/);
  return checks({ ORIGIN: origin, PROVIDER: 'demo' });
};

// A proxy with oidc-provider, and more lines in its section `portal`.
const serve = async (limits = '') => {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const env = {
    REDIRECT_URI: `${origin}/connections/-/callback`,
    RESOURCE: 'https://mcp.example.com',
    CLIENT_SECRET: 'only for tests, and long enough for everybody',
  };
  const issuer = await start('node', [join(here, 'identity-provider.mjs')], /^ready (\d+)/, env);
  const key = spawnSync(PROXY, ['keygen']).stdout;
  const own = mkdtempSync(join(directory, 'serve-'));
  writeFileSync(join(own, 'vault.key'), key, { mode: 0o600 });
  const file = join(own, 'bonafide.toml');
  writeFileSync(
    file,
    `listen = "127.0.0.1:${port}"
public_url = "${origin}"
[[issuers]]
issuer = "http://127.0.0.1:${issuer}"
audiences = ["${env.RESOURCE}"]
[vault]
store = "sqlite:bonafide.db"
key = "file:vault.key"
[tenants.notes]
title = "Notes"
url = "http://127.0.0.1:1/mcp"
[tenants.notes.headers]
Authorization = "Bearer \${NOTES_KEY}"
[tenants.notes.variables.NOTES_KEY]
title = "Key"
pattern = "^ghp_[A-Za-z0-9]{36,}$"
[[policy.rules]]
id = "team"
groups = ["/teams/notes"]
tenants = ["notes"]
[audit]
sink = "sqlite:bonafide.db"
keep = "90d"
[portal]
client_id = "portal"
client_secret = "env:CLIENT_SECRET"
resource = "${env.RESOURCE}"
${limits}
[portal.administrators]
groups = ["/teams/admins"]
`,
  );
  await start(PROXY, ['serve', '--config', file], /listening on (.*)/, env);
  return { ORIGIN: origin, PROVIDER: 'oidc-provider', TENANT: 'notes', KEY: 'NOTES_KEY', SCREENSHOTS: '' };
};

const oidcProvider = async () => {
  console.log('against mcp-proxy serve and oidc-provider');
  return checks(await serve());
};

// The shortest limit that can be configured.
const expiry = async () => {
  console.log('a session that ends because it is idle');
  return checks({ ...(await serve('idle = "1m"')), LIMIT: 60 }, 'expiry.mjs');
};

// A demonstration, and how to get a token for one of its users.
const demoWithTokens = async () => {
  const demo = spawn(PROXY, ['demo'], { stdio: ['pipe', 'pipe', 'inherit'] });
  parts.push(demo);
  const line = await new Promise((found) => {
    createInterface({ input: demo.stdout }).on('line', (text) => {
      if (text.includes('-d user=alice')) found(text);
    });
  });
  const origin = line.match(/curl -s (http:\/\/[^/]+)/)[1];
  const endpoint = line.match(/curl -s (\S+\/token)/)[1];
  const audience = line.match(/audience=(\S+)/)[1];
  const token = async (user) => {
    const body = new URLSearchParams({ user, audience });
    return (await (await fetch(endpoint, { method: 'POST', body })).json()).access_token;
  };
  return { origin, token };
};

const elicitation = async () => {
  console.log('from a call to its key and back, with the FastMCP client');
  const { origin, token } = await demoWithTokens();
  const TOKENS = JSON.stringify({ alice: await token('alice'), bob: await token('bob') });
  return checks({ ORIGIN: origin, TOKENS, PYTHON: join(here, '../venv/bin/python') }, 'elicitation.mjs');
};

// Everything that the document allows, and much that it does not, for a user with a token.
const schemathesis = async () => {
  console.log('schemathesis against /api/openapi.json');
  const demo = await demoWithTokens();
  const [origin, token] = [demo.origin, await demo.token('alice')];
  return ends(
    join(here, '../venv/bin/schemathesis'),
    [
      'run',
      `${origin}/api/openapi.json`,
      '--url', origin,
      '-H', `Authorization: Bearer ${token}`,
      '--checks', 'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance',
      '--max-examples', '40',
      '--rate-limit', '100/s',
      '--generation-deterministic',
    ],
    { cwd: directory },
  );
};

let good = true;
try {
  const suites = { demo, oidcProvider, elicitation, expiry, schemathesis };
  const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(suites);
  for (const name of wanted) good = (await suites[name]()) && good;
} finally {
  for (const part of parts) part.kill();
  rmSync(directory, { recursive: true, force: true });
}
process.exit(good ? 0 : 1);
