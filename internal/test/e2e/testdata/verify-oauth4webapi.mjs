import * as oauth from 'oauth4webapi';
import { answer, each, follow, task } from './common.mjs';

const { issuer, audience, client: clientID, redirectURI, tokens } = await task();
const insecure = { [oauth.allowInsecureRequests]: true };
const base = new URL(issuer);

// RFC 8414 and OpenID Connect Discovery must say the same.
const as = await oauth.processDiscoveryResponse(base, await oauth.discoveryRequest(base, { algorithm: 'oauth2', ...insecure }));
const oidc = await oauth.processDiscoveryResponse(base, await oauth.discoveryRequest(base, { algorithm: 'oidc', ...insecure }));
for (const name of ['issuer', 'authorization_endpoint', 'token_endpoint', 'jwks_uri']) {
  if (as[name] !== oidc[name]) throw new Error(`${name}: ${as[name]} in one document, ${oidc[name]} in the other`);
}

const client = { client_id: clientID };
const verifier = oauth.generateRandomCodeVerifier();
const state = oauth.generateRandomState();
const start = new URL(as.authorization_endpoint);
start.search = new URLSearchParams({
  client_id: clientID,
  redirect_uri: redirectURI,
  response_type: 'code',
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
}).toString();
const end = await follow(start, redirectURI);
const parameters = oauth.validateAuthResponse(as, client, end, state);
const redeem = (codeVerifier) =>
  oauth.authorizationCodeGrantRequest(as, client, oauth.None(), parameters, redirectURI, codeVerifier, insecure);
const granted = await oauth.processAuthorizationCodeResponse(as, client, await redeem(verifier));

// A code is good for once.
let again = '';
try {
  await oauth.processAuthorizationCodeResponse(as, client, await redeem(verifier));
} catch (err) {
  again = err.error ?? String(err);
}

const validate = (token) =>
  oauth.validateJwtAccessToken(
    as,
    new Request('http://api.example.com/', { headers: { authorization: `Bearer ${token}` } }),
    audience,
    insecure,
  );
answer({
  granted: { ...granted, claims: await validate(granted.access_token) },
  again,
  verdicts: await each(tokens, validate),
});
