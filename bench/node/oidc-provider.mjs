// oidc-provider with its data in memory, and its pages for development, which ask for no password:
// node oidc-provider.mjs PORT.
import Provider from 'oidc-provider'

const port = Number(process.argv[2])
const provider = new Provider(`http://localhost:${port}`, {
  clients: [
    {
      client_id: 'bench',
      token_endpoint_auth_method: 'none',
      application_type: 'native',
      redirect_uris: ['http://localhost:9/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
    },
  ],
  scopes: ['openid', 'offline_access'],
  issueRefreshToken: async () => true,
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
})
provider.listen(port, 'localhost')
