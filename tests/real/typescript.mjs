// The client of the TypeScript SDK, told what to do as `client.py` is, by lines of JSON, and answering each with one.
//
// `mode`: `auto` finds the newest protocol revision, `legacy` begins with `initialize`. `opens`: it can send its user to a page;
// which one, it answers as `asked`, and the user declines.
import { createInterface } from 'node:readline';

import { Client, StreamableHTTPClientTransport, UrlElicitationRequiredError } from '@modelcontextprotocol/client';

const session = async ({ url, tool, arguments: values, mode, headers, token, opens }) => {
  const asked = [];
  const capabilities = opens ? { elicitation: { form: {}, url: {} } } : {};
  const client = new Client({ name: 'suite', version: '0' }, { capabilities, versionNegotiation: { mode } });
  if (opens)
    client.setRequestHandler('elicitation/create', ({ params }) => {
      asked.push(params.url);
      return { action: 'decline' };
    });
  const options = { requestInit: { headers }, ...(token && { authProvider: { token: async () => token } }) };
  try {
    await client.connect(new StreamableHTTPClientTransport(new URL(url), options));
    const { tools } = await client.listTools();
    const result = await client.callTool({ name: tool, arguments: values });
    const text = result.content.filter(({ type }) => type === 'text').map((part) => part.text);
    return { tools: tools.map(({ name }) => name), is_error: result.isError ?? false, text, asked };
  } catch (error) {
    if (error instanceof UrlElicitationRequiredError) asked.push(...error.elicitations.map((page) => page.url));
    return { error: [String(error)], asked };
  } finally {
    await client.close();
  }
};

console.log('ready');
for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(await session(JSON.parse(line))));
