import { createRemoteJWKSet, jwtVerify } from 'jose';
import { answer, each, task } from './common.mjs';

const { issuer, audience, tokens } = await task();
const metadata = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));
answer(
  await each(tokens, async (token) => {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience,
      typ: 'at+jwt',
      requiredClaims: ['exp', 'iat', 'sub', 'jti', 'client_id'],
    });
    return payload;
  }),
);
