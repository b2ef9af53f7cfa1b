// oidc-provider on a free port of 127.0.0.1: users sign in with the authorization code flow and PKCE, and get access
// tokens by RFC 9068 (`at+jwt`) for the resource they name (RFC 8707).
//
// A client for each algorithm: its tokens are signed with that one. Whoever `login_hint` names is signed in; what is
// tested here is what happens to the tokens afterwards.
//
// ISSUER: pretend to be this issuer, with keys of our own under the same key ids.
import { createServer } from 'node:http';

import * as jose from 'jose';
import { Provider } from 'oidc-provider';

const ALGORITHMS = { RS256: {}, PS256: {}, ES256: {}, ES384: {}, EdDSA: { crv: 'Ed25519' } };
const USERS = {
  alice: ['/teams/notes', '/teams/everything', '/teams/suite'],
  bob: ['/teams/notes'],
  carol: ['/teams/notes'],
  dave: ['/teams/guests'],
};

const signingKey = async ([alg, options]) => {
  const { privateKey } = await jose.generateKeyPair(alg, { extractable: true, ...options });
  return { ...(await jose.exportJWK(privateKey)), alg, use: 'sig', kid: `key-${alg}` };
};

const configuration = {
  jwks: { keys: await Promise.all(Object.entries(ALGORITHMS).map(signingKey)) },
  clients: Object.keys(ALGORITHMS).map((alg) => ({
    client_id: `client-${alg}`,
    token_endpoint_auth_method: 'none',
    application_type: 'native',
    redirect_uris: ['http://127.0.0.1/callback'],
    grant_types: ['authorization_code'],
    response_types: ['code'],
  })),
  features: {
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource, client) => ({
        scope: 'mcp:use',
        audience: resource,
        accessTokenTTL: 300,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: client.clientId.replace('client-', '') } },
      }),
    },
  },
  findAccount: (_, id) => id in USERS && { accountId: id, claims: () => ({ sub: id }) },
  extraTokenClaims: (_, { accountId }) => ({
    preferred_username: accountId,
    groups: USERS[accountId],
  }),
  // Nobody is asked for consent.
  loadExistingGrant: async ({ oidc }) => {
    const { accountId } = oidc.session;
    const grant = new oidc.provider.Grant({ accountId, clientId: oidc.client.clientId });
    grant.addOIDCScope('openid');
    grant.addResourceScope(oidc.params.resource, 'mcp:use');
    await grant.save();
    return grant;
  },
  interactions: { url: (_, { uid }) => `/interaction/${uid}` },
  cookies: { keys: ['only for tests'] },
};

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const provider = new Provider(process.env.ISSUER ?? `http://127.0.0.1:${port}`, configuration);
  provider.on('server_error', (_, error) => console.error('server_error', error));
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    const { params } = await provider.interactionDetails(ctx.req, ctx.res);
    const result = { login: { accountId: params.login_hint }, consent: {} };
    ctx.respond = false;
    return provider.interactionFinished(ctx.req, ctx.res, result);
  });
  server.on('request', provider.callback());
  console.log(`ready ${port}`);
});

process.stdin.on('end', () => process.exit()).resume();
