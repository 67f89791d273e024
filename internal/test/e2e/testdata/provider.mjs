// An OpenID provider nobody here wrote: npm oidc-provider with its own login and consent pages.
// Usage: node provider.mjs REDIRECT_URI. It says its issuer when it is ready.
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const [redirectURI] = process.argv.slice(2);
const server = createServer();
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://localhost:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'postern',
      client_secret: 'a-secret-of-the-test',
      redirect_uris: [redirectURI],
      grant_types: ['authorization_code'],
      response_types: ['code'],
    },
  ],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  conformIdTokenClaims: false, // claims of the scopes come in the ID token
  pkce: { required: () => true },
  cookies: { keys: ['a-cookie-key-of-the-test'] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.com`, email_verified: true, name: `The person ${id}` }),
  }),
});
server.on('request', provider.callback());
console.log(issuer);
