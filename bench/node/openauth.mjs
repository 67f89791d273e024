// An issuer of OpenAuth with people who have a password: node openauth.mjs PORT ACCOUNTS PASSWORD.
// A mailed code is printed as a line: the address, a space, the code.
import { serve } from '@hono/node-server'
import { issuer } from '@openauthjs/openauth'
import { createClient } from '@openauthjs/openauth/client'
import { CodeProvider } from '@openauthjs/openauth/provider/code'
import { PasswordProvider, ScryptHasher } from '@openauthjs/openauth/provider/password'
import { Storage } from '@openauthjs/openauth/storage/storage'
import { MemoryStorage } from '@openauthjs/openauth/storage/memory'
import { createSubjects } from '@openauthjs/openauth/subject'
import { CodeUI } from '@openauthjs/openauth/ui/code'
import { PasswordUI } from '@openauthjs/openauth/ui/password'
import { object, string } from 'valibot'

const [port, accounts, password] = process.argv.slice(2)
const url = `http://localhost:${port}`
const subjects = createSubjects({ user: object({ email: string() }) })
const storage = MemoryStorage()
const sendCode = async (to, code) => console.log(typeof to === 'string' ? to : to.email, code)

const hasher = ScryptHasher()
for (let n = 0; n < Number(accounts); n++) {
  await Storage.set(storage, ['email', `person${n}@example.com`, 'password'], await hasher.hash(password))
}
const app = issuer({
  subjects,
  storage,
  providers: { password: PasswordProvider(PasswordUI({ sendCode })), code: CodeProvider(CodeUI({ sendCode })) },
  success: async (ctx, value) => ctx.subject('user', { email: value.email ?? value.claims.email }),
})
// The check of a request is a function of its client. Here it has a route, as a program would have one.
const client = createClient({ clientID: 'bench', issuer: url })
app.get('/me', async (c) => {
  const checked = await client.verify(subjects, (c.req.header('authorization') ?? '').replace('Bearer ', ''))
  return checked.err ? c.json({ error: 'invalid_token' }, 401) : c.json(checked.subject)
})
serve({ fetch: app.fetch, hostname: 'localhost', port: Number(port) })
