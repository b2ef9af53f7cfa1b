// oidc-provider on a free port of 127.0.0.1 for the pages: a confidential client, a page where somebody types who they are, and
// access tokens by RFC 9068 with groups for the resource that is asked for (RFC 8707).
//
// REDIRECT_URI: where users come back to. RESOURCE: the audience of access tokens.
import { createServer } from 'node:http';

import * as jose from 'jose';
import { Provider } from 'oidc-provider';

const { REDIRECT_URI, RESOURCE } = process.env;
const USERS = { alice: ['/teams/notes'], bob: ['/teams/notes'], carol: ['/teams/notes'], root: ['/teams/admins'] };
const { privateKey } = await jose.generateKeyPair('ES256', { extractable: true });
const key = { ...(await jose.exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: 'key-1' };

const configuration = {
  jwks: { keys: [key] },
  clients: [
    {
      client_id: 'portal',
      client_secret: process.env.CLIENT_SECRET,
      token_endpoint_auth_method: 'client_secret_basic',
      id_token_signed_response_alg: 'ES256',
      redirect_uris: [REDIRECT_URI],
      post_logout_redirect_uris: [new URL('/connections', REDIRECT_URI).href],
      grant_types: ['authorization_code'],
      response_types: ['code'],
    },
  ],
  features: {
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'mcp:use',
        audience: RESOURCE,
        accessTokenTTL: 300,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  pkce: { required: () => true },
  claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email'] },
  findAccount: (_, id) => id in USERS && { accountId: id, claims: () => ({ sub: id, name: id }) },
  extraTokenClaims: (_, { accountId }) => ({
    name: accountId,
    preferred_username: accountId,
    groups: USERS[accountId],
  }),
  loadExistingGrant: async ({ oidc }) => {
    const { accountId } = oidc.session;
    const grant = new oidc.provider.Grant({ accountId, clientId: oidc.client.clientId });
    grant.addOIDCScope('openid profile email');
    if (oidc.params.resource) grant.addResourceScope(oidc.params.resource, 'mcp:use');
    await grant.save();
    return grant;
  },
  interactions: { url: (_, { uid }) => `/interaction/${uid}` },
  cookies: { keys: ['only for tests'] },
};

const FORM =
  '<!doctype html><html lang="en"><title>Sign in</title><form><label>User <input name="user"></label><button>Continue</button></form>';

const server = createServer();
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  const { port } = server.address();
  const provider = new Provider(`http://127.0.0.1:${port}`, configuration);
  provider.on('server_error', (_, error) => console.error('server_error', error));
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    if (!ctx.query.user) {
      ctx.type = 'html';
      ctx.body = FORM;
      return;
    }
    ctx.respond = false;
    const result = { login: { accountId: ctx.query.user }, consent: {} };
    return provider.interactionFinished(ctx.req, ctx.res, result);
  });
  server.on('request', provider.callback());
  console.log(`ready ${port}`);
});

process.stdin.on('end', () => process.exit()).resume();
