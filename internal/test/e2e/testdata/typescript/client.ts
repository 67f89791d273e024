// Uses of the JavaScript client as its types allow and refuse them.
import { createClient, PosternError, type Client, type EndReason, type Options, type Session } from '@posternauth/client'

const options: Options = { base: '/auth' }
const auth: Client = createClient(options)
createClient({ base: 'https://api.example.com/auth', flow: 'code', clientID: 'spa', redirectURI: '/callback', origins: ['https://files.example.com'], storage: localStorage, attempts: sessionStorage })

interface User {
	email: string
}

export async function uses(): Promise<EndReason | undefined> {
	let why: EndReason | undefined
	auth.addEventListener('end', (event) => (why = event.detail), { once: true })
	auth.addEventListener('start', () => {})
	const to: string | null = await auth.callback()
	const session: Session<User> | null = await auth.session<User>()
	const email: string | undefined = session?.properties.email
	const { fetch, signIn } = auth
	const answer: Response = await fetch(new URL('https://api.example.com/orders'), { method: 'POST', body: JSON.stringify({ to, email }) })
	await fetch(new Request('/me'))
	if (!answer.ok) await signIn({ provider: 'google', returnTo: new URL(location.href) })
	try {
		await auth.signOut()
		await auth.signOutEverywhere()
	} catch (error) {
		if (error instanceof PosternError) console.log(error.code.length, error.status + error.retryAfter)
	}
	return why
}

// @ts-expect-error base is missing
createClient({})
// @ts-expect-error there is no such flow
createClient({ base: '/auth', flow: 'implicit' })
// @ts-expect-error a storage is an object
createClient({ base: '/auth', storage: 'localStorage' })
// @ts-expect-error properties are unknown until they are named
export const tenant: Promise<string> = auth.session().then((session) => session!.properties.tenant)
// @ts-expect-error the session may be null
export const subject: Promise<string> = auth.session().then((session) => session.sub)
// @ts-expect-error a reason is one of three
auth.addEventListener('end', (event) => event.detail === 'expired')
