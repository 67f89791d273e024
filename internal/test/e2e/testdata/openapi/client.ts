// A program of a user of Postern: it creates an account, signs in and reads the account.
import createClient from 'openapi-fetch'
import type { components, paths } from './schema.js'

type Page = components['schemas']['Page']
type Tokens = components['schemas']['Tokens']

const site = process.argv[2]!
const jar = new Map<string, string>()

// A program keeps the cookies of a sign-in itself; a browser does it alone.
async function withCookies(request: Request): Promise<Response> {
	request.headers.set('Cookie', [...jar].map(([name, value]) => `${name}=${value}`).join('; '))
	const response = await fetch(request)
	for (const cookie of response.headers.getSetCookie()) {
		const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!
		jar.set(name!, value!)
	}
	return response
}

const api = createClient<paths>({ baseUrl: site + '/auth', headers: { Accept: 'application/json' }, fetch: withCookies })

function page(data: unknown, error: unknown): Page {
	if (!data || typeof data !== 'object' || !('forms' in data)) throw new Error('no page: ' + JSON.stringify(data ?? error))
	return data as Page
}

function tokens(data: unknown, error: unknown): Tokens {
	if (!data || typeof data !== 'object' || !('access_token' in data)) throw new Error('no tokens: ' + JSON.stringify(data ?? error))
	return data as Tokens
}

const email = 'ada@example.com'
const password = 'wolke sieben am fluss'

const begun = await api.POST('/sign-up', { body: { email, client_id: 'spa' } })
const asked = page(begun.data, begun.error)
const code = await (await fetch(`${site}/mail?to=${email}`)).text()
const proven = await api.POST('/sign-up/code', { body: { state: asked.forms[0]!.hidden!['state']!, code } })
const state = page(proven.data, proven.error).forms[0]!.hidden!['state']!
const chosen = await api.POST('/{provider}/sign-up', { params: { path: { provider: 'password' } }, body: { state, password } })
if (chosen.error) throw new Error(JSON.stringify(chosen.error))

const opened = await api.POST('/{provider}/authorize', { params: { path: { provider: 'password' } }, body: { client_id: 'spa' } })
const form = page(opened.data, opened.error)
const ended = await api.POST('/{provider}/callback', {
	params: { path: { provider: 'password' } },
	body: { state: form.forms[0]!.hidden!['state']!, identifier: email, password },
})
const headers = { Authorization: 'Bearer ' + tokens(ended.data, ended.error).access_token }

const account = await api.GET('/account', { headers })
if (account.data?.addresses[0]?.value !== email || account.data.ways.passwords !== 1) {
	throw new Error(JSON.stringify(account.data ?? account.error))
}
const renamed = await api.PATCH('/account', { headers, body: { name: 'Ada' } })
if (renamed.data?.name !== 'Ada') throw new Error(JSON.stringify(renamed.error))
const refused = await api.DELETE('/account', { headers, params: { query: { confirm: 'somebody' } } })
if (refused.response.status !== 400 || refused.error?.error !== 'confirm_required') throw new Error(JSON.stringify(refused.error))

const wrong = () => [
	// @ts-expect-error: a name is a text
	api.PATCH('/account', { headers, body: { name: 1 } }),
	// @ts-expect-error: there is no such path
	api.GET('/accounts', { headers }),
]
console.log('signed in as', renamed.data.addresses[0]!.value, typeof wrong)
