// Says for each token on standard input, one a line, whether `jose` accepts it: `{"jwks", "issuer", "audience"}` first.
import { createInterface } from 'node:readline';
import { createLocalJWKSet, jwtVerify } from 'jose';

let terms;
for await (const line of createInterface({ input: process.stdin })) {
  if (!terms) {
    const { jwks, issuer, audience } = JSON.parse(line);
    terms = [createLocalJWKSet(jwks), { issuer, audience, clockTolerance: 60, requiredClaims: ['exp', 'sub'] }];
    continue;
  }
  const accepted = await jwtVerify(JSON.parse(line), ...terms).then(() => true, () => false);
  console.log(accepted);
}
