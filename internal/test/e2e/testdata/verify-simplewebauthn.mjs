// Checks passkeys as another server does. task = {origin, rpID, registration: {options, response}, authentication: {options, response}}
import { verifyAuthenticationResponse, verifyRegistrationResponse } from '@simplewebauthn/server';
import { answer, task } from './common.mjs';

const { origin, rpID, registration, authentication } = await task();

const verdict = async (check) => {
  try {
    return (await check()).verified ? 'accepted' : 'refused';
  } catch (err) {
    return `refused: ${err.message}`;
  }
};

const made = await verifyRegistrationResponse({
  response: registration.response,
  expectedChallenge: registration.options.challenge,
  expectedOrigin: origin,
  expectedRPID: rpID,
  requireUserVerification: true,
  supportedAlgorithmIDs: registration.options.pubKeyCredParams.map((p) => p.alg),
});
const shown = authentication.response;
const other = (text) => text.slice(0, -1) + (text.at(-1) === 'A' ? 'Q' : 'A'); // the last bits of the counter
const credential = made.registrationInfo.credential;

const register = (change) =>
  verdict(() =>
    verifyRegistrationResponse({
      response: registration.response, expectedChallenge: registration.options.challenge, expectedOrigin: origin, expectedRPID: rpID,
      requireUserVerification: true, ...change,
    }));
const authenticate = (change) =>
  verdict(() =>
    verifyAuthenticationResponse({
      response: authentication.response, expectedChallenge: authentication.options.challenge, expectedOrigin: origin, expectedRPID: rpID,
      credential, requireUserVerification: true, ...change,
    }));

answer({
  synced: made.registrationInfo.credentialBackedUp,
  registration: {
    unchanged: await register({}),
    challenge: await register({ expectedChallenge: authentication.options.challenge }),
    origin: await register({ expectedOrigin: 'https://evil.example' }),
    rpID: await register({ expectedRPID: 'evil.example' }),
    algorithm: await register({ supportedAlgorithmIDs: [-257] }),
  },
  authentication: {
    unchanged: await authenticate({}),
    challenge: await authenticate({ expectedChallenge: registration.options.challenge }),
    origin: await authenticate({ expectedOrigin: 'https://evil.example' }),
    rpID: await authenticate({ expectedRPID: 'evil.example' }),
    signed: await authenticate({ response: { ...shown, response: { ...shown.response, authenticatorData: other(shown.response.authenticatorData) } } }),
  },
});
