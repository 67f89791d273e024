import * as oauth from 'oauth4webapi';
import { answer, follow, task, wait } from './common.mjs';

const { issuer, client: clientID, redirectURI } = await task();
const insecure = { [oauth.allowInsecureRequests]: true };
const base = new URL(issuer);
const as = await oauth.processDiscoveryResponse(base, await oauth.discoveryRequest(base, { algorithm: 'oidc', ...insecure }));
const client = { client_id: clientID };
const verifier = oauth.generateRandomCodeVerifier();
const state = oauth.generateRandomState();
const start = new URL(as.authorization_endpoint);
start.search = new URLSearchParams({
  provider: 'once',
  client_id: clientID,
  redirect_uri: redirectURI,
  response_type: 'code',
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
}).toString();
const end = await follow(start, redirectURI);
const parameters = oauth.validateAuthResponse(as, client, end, state);
const response = await oauth.authorizationCodeGrantRequest(as, client, oauth.None(), parameters, redirectURI, verifier, insecure);
const grants = [await oauth.processAuthorizationCodeResponse(as, client, response)];
const refresh = async (token, who = client) => {
  try {
    return await oauth.processRefreshTokenResponse(as, who, await oauth.refreshTokenGrantRequest(as, who, oauth.None(), token, insecure));
  } catch (err) {
    return { refused: err.error ?? String(err), status: err.status };
  }
};
for (const seconds of [0, 31, 300, 300]) {
  await wait(issuer, seconds);
  grants.push(await refresh(grants.at(-1).refresh_token));
}
const stranger = await refresh(grants.at(-1).refresh_token, { client_id: 'another' });
const retried = await refresh(grants.at(-2).refresh_token); // as after an answer that was lost
await wait(issuer, 91);
const replayed = await refresh(grants.at(-3).refresh_token);
const after = await refresh(grants.at(-1).refresh_token);
answer({ grantTypes: as.grant_types_supported, grants, stranger, retried, replayed, after });
