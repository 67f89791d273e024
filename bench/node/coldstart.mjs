// A Lambda authorizer on Node, with the shortest runtime there can be. The argument says which library checks the token.
import { createPublicKey } from 'node:crypto';
import { Agent, request } from 'node:http';

const { AWS_LAMBDA_RUNTIME_API: api, PUBLIC_KEY: pem, ISSUER: issuer, AUDIENCE: audience, KEY_ID: kid } = process.env;

async function verifier(name) {
  if (name === 'jose') {
    const { importSPKI, jwtVerify } = await import('jose');
    const key = await importSPKI(pem, 'EdDSA');
    return async (token) => (await jwtVerify(token, key, { issuer, audience, algorithms: ['EdDSA'] })).payload;
  }
  const { JwtVerifier } = await import('aws-jwt-verify');
  const jwk = { ...createPublicKey(pem).export({ format: 'jwk' }), kid, alg: 'EdDSA', use: 'sig' };
  const v = JwtVerifier.create({ issuer, audience, jwksUri: issuer + '/jwks.json' });
  v.cacheJwks({ keys: [jwk] });
  return (token) => v.verify(token);
}

const verify = await verifier(process.argv[2]);
const base = `http://${api}/2018-06-01/runtime/invocation/`;
const agent = new Agent({ keepAlive: true });

function call(method, url, body) {
  return new Promise((resolve, reject) => {
    const req = request(url, { method, agent }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (chunk) => (text += chunk)).on('end', () => resolve([res.headers, text]));
    });
    req.on('error', reject).end(body);
  });
}

for (;;) {
  const [headers, text] = await call('GET', base + 'next');
  const event = JSON.parse(text);
  const claims = await verify(event.authorizationToken.slice('Bearer '.length));
  const stage = event.methodArn.split('/').slice(0, 2).join('/');
  await call('POST', `${base}${headers['lambda-runtime-aws-request-id']}/response`, JSON.stringify({
    principalId: claims.sub,
    policyDocument: { Version: '2012-10-17', Statement: [{ Action: 'execute-api:Invoke', Effect: 'Allow', Resource: stage + '/*' }] },
    context: { scope: claims.scope },
  }));
}
