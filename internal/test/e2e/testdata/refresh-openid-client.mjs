import * as client from 'openid-client';
import { answer, follow, task, wait } from './common.mjs';

const { issuer, client: clientID, redirectURI } = await task();
const config = await client.discovery(new URL(issuer), clientID, undefined, client.None(), {
  algorithm: 'oauth2',
  execute: [client.allowInsecureRequests],
});
const pkceCodeVerifier = client.randomPKCECodeVerifier();
const expectedState = client.randomState();
const start = client.buildAuthorizationUrl(config, {
  provider: 'once',
  redirect_uri: redirectURI,
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
  state: expectedState,
});
const end = await follow(start, redirectURI);
const grants = [await client.authorizationCodeGrant(config, end, { pkceCodeVerifier, expectedState })];
const refresh = async (token) => {
  try {
    return await client.refreshTokenGrant(config, token);
  } catch (err) {
    return { refused: err.error ?? String(err), status: err.status };
  }
};
for (const seconds of [0, 31, 300, 300]) {
  await wait(issuer, seconds);
  grants.push(await refresh(grants.at(-1).refresh_token));
}
const retried = await refresh(grants.at(-2).refresh_token); // as after an answer that was lost
await wait(issuer, 91);
const replayed = await refresh(grants.at(-3).refresh_token);
const after = await refresh(grants.at(-1).refresh_token);
answer({ grantTypes: config.serverMetadata().grant_types_supported, grants, retried, replayed, after });
