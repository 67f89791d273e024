import * as client from 'openid-client';
import { answer, follow, task } from './common.mjs';

const { issuer, client: clientID, redirectURI } = await task();
const config = await client.discovery(new URL(issuer), clientID, undefined, client.None(), {
  algorithm: 'oauth2',
  execute: [client.allowInsecureRequests],
});
const pkceCodeVerifier = client.randomPKCECodeVerifier();
const expectedState = client.randomState();
const start = client.buildAuthorizationUrl(config, {
  redirect_uri: redirectURI,
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
  state: expectedState,
});
const end = await follow(start, redirectURI);
const granted = await client.authorizationCodeGrant(config, end, { pkceCodeVerifier, expectedState });
answer({ granted });
