import { JwtVerifier } from 'aws-jwt-verify';
import { answer, each, task } from './common.mjs';

const { issuer, audience, tokens } = await task();
const metadata = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
// It fetches over https only, so it is handed the key set.
const jwks = await (await fetch(metadata.jwks_uri)).json();
const verifier = JwtVerifier.create({ issuer, audience, jwksUri: metadata.jwks_uri });
verifier.cacheJwks(jwks);
answer(await each(tokens, (token) => verifier.verify(token)));
