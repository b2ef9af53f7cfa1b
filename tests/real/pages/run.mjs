// Runs the checks against `mcp-proxy demo` and against `mcp-proxy serve` with oidc-provider, and schemathesis against the
// API's document. PROXY: the binary. SCREENSHOTS: where pictures of the demonstration go, if they are wanted.
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

const checks = (env) => {
  const done = spawnSync('node', [join(here, 'checks.mjs')], { env: { ...process.env, ...env }, stdio: 'inherit' });
  return done.status === 0;
};

const demo = async () => {
  console.log('against mcp-proxy demo');
  const origin = await start(PROXY, ['demo'], /the page\s+(http:\/\/[^/]+)\/connections/);
  return checks({ ORIGIN: origin, PROVIDER: 'demo' });
};

const oidcProvider = async () => {
  console.log('against mcp-proxy serve and oidc-provider');
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const env = {
    REDIRECT_URI: `${origin}/connections/-/callback`,
    RESOURCE: 'https://mcp.example.com',
    CLIENT_SECRET: 'only for tests, and long enough for everybody',
  };
  const issuer = await start('node', [join(here, 'identity-provider.mjs')], /^ready (\d+)/, env);
  const key = spawnSync(PROXY, ['keygen']).stdout;
  writeFileSync(join(directory, 'vault.key'), key, { mode: 0o600 });
  const file = join(directory, 'bonafide.toml');
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
[portal]
client_id = "portal"
client_secret = "env:CLIENT_SECRET"
resource = "${env.RESOURCE}"
`,
  );
  await start(PROXY, ['serve', '--config', file], /listening on (.*)/, env);
  return checks({ ORIGIN: origin, PROVIDER: 'oidc-provider', TENANT: 'notes', KEY: 'NOTES_KEY', SCREENSHOTS: '' });
};

// Everything that the document allows, and much that it does not, for a user with a token.
const schemathesis = async () => {
  console.log('schemathesis against /api/openapi.json');
  const written = [];
  const demo = spawn(PROXY, ['demo'], { stdio: ['pipe', 'pipe', 'inherit'] });
  parts.push(demo);
  const line = await new Promise((found) => {
    createInterface({ input: demo.stdout }).on('line', (text) => {
      written.push(text);
      if (text.includes('-d user=alice')) found(text);
    });
  });
  const origin = line.match(/curl -s (http:\/\/[^/]+)/)[1];
  const endpoint = line.match(/curl -s (\S+\/token)/)[1];
  const audience = line.match(/audience=(\S+)/)[1];
  const body = new URLSearchParams({ user: 'alice', audience });
  const { access_token: token } = await (await fetch(endpoint, { method: 'POST', body })).json();
  const done = spawnSync(
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
    { cwd: directory, stdio: 'inherit' },
  );
  return done.status === 0;
};

let good = true;
try {
  for (const suite of [demo, oidcProvider, schemathesis]) good = (await suite()) && good;
} finally {
  for (const part of parts) part.kill();
  rmSync(directory, { recursive: true, force: true });
}
process.exit(good ? 0 : 1);
