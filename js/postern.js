export class PosternError extends Error {
	constructor(code, text, status = 0, retryAfter = 0) {
		super(text || code)
		Object.assign(this, { code, status, retryAfter })
	}
}

const attempt = (work) => {
	try {
		return work()
	} catch {}
}
const read = (storage, key) => attempt(() => JSON.parse(storage.getItem(key))) || []

const sameOrigin = (to) =>
	attempt(() => {
		const { href } = new URL(to, location)
		if (href.startsWith(location.origin + '/') && !href.startsWith(location.origin + '//')) return href
	})

const parsed = async (response) => {
	const text = await response.text()
	return attempt(() => JSON.parse(text))
}
const refusal = ({ status, headers }, body) =>
	new PosternError(body?.error || 'server_error', body?.error_description, status, +headers.get('Retry-After'))

export function createClient({ base, flow, clientID, redirectURI = '/', origins = [], storage, attempts = sessionStorage }) {
	origins = [new URL(base, location).origin, ...origins]
	base = new URL(base, location).href.replace(/\/+$/, '')
	redirectURI = new URL(redirectURI, location).href
	const byCode = flow === 'code'
	const client = clientID && { client_id: clientID }
	const name = 'postern:' + base
	const key = name + '#'
	const events = new EventTarget()
	const channel = new BroadcastChannel(name)
	let state = { at: 0 }
	let notBefore, ready, returned, refreshing, wake

	const emit = () => events.dispatchEvent(new CustomEvent(state.live ? 'start' : 'end', { detail: state.why }))

	const adopt = (newer) => {
		if (!(newer?.at > state.at)) return
		const { live } = state
		state = newer
		wake?.()
		if (state.live !== live || state.begun) emit()
	}

	const set = (fields) => {
		const newer = { ...fields, at: Math.max(Date.now(), state.at + 1) }
		if (byCode) storage?.setItem(name, JSON.stringify(newer))
		channel.postMessage({ newer })
		adopt(newer)
	}

	const keep = ({ access_token: access, refresh_token: refresh, expires_in }, begun) =>
		set({ live: true, begun, access, refresh, expires: Date.now() + expires_in * 1e3 - 5e3 })

	const end = (why, used = state) => {
		if (state === used && used.live !== false) set({ live: false, why })
	}

	channel.onmessage = ({ data }) => {
		if (data.ask < state.at && state.live) channel.postMessage({ newer: state })
		adopt(data.newer)
		notBefore = data.notBefore || notBefore
	}

	// Other tabs may be newer.
	const catchUp = (ms, enough = () => 1) =>
		new Promise((done) => {
			wake = () => enough() && done()
			adopt(read(storage, name))
			channel.postMessage({ ask: state.at })
			setTimeout(done, ms)
		})

	const locked = (work) => (navigator.locks ? navigator.locks.request(name, work) : work())

	// A lost answer is asked for again, by the same token.
	const post = async (path, form, token, again = true) => {
		let response, body
		try {
			response = await fetch(base + path, {
				method: 'POST',
				body: form && new URLSearchParams({ ...form, ...client }),
				headers: token ? { Authorization: 'Bearer ' + token } : {},
				credentials: byCode ? 'omit' : 'include',
				redirect: 'error',
				signal: AbortSignal.timeout(15e3),
			})
			body = await parsed(response)
		} catch {
			if (again) return post(path, form, token, false)
			throw new PosternError('network')
		}
		if (response.ok && (body || !form)) return body
		throw refusal(response, body)
	}

	const renew = async () => {
		const wait = Math.ceil((notBefore - Date.now()) / 1e3)
		if (wait > 0) throw new PosternError('temporarily_unavailable', '', 503, wait)
		try {
			if (byCode) keep(await post('/token', { grant_type: 'refresh_token', refresh_token: state.refresh }))
			else {
				await post('/refresh')
				set({ live: true })
			}
		} catch (error) {
			if (error.status === 401 ? error.code !== 'try_refresh' : error.code === 'invalid_grant') return end('session_ended')
			if (error.retryAfter) {
				notBefore = Date.now() + error.retryAfter * 1e3
				channel.postMessage({ notBefore })
			}
			throw error
		}
	}

	// Once for this tab, by the lock for all.
	const refresh = (used = state, sent = Date.now(), asked = Date.now()) =>
		(refreshing ||= locked(async () => {
			const done = () => state !== used && state.at > sent
			if (!done()) await catchUp(100 + Date.now() - asked, done)
			if (!done()) await renew()
		}).finally(() => (refreshing = null)))

	const send = async (request) => {
		const used = state
		if (used.access) request.headers.set('Authorization', 'Bearer ' + used.access)
		const response = await fetch(request)
		if (response.status !== 401) return [response]
		const why = (await parsed(response.clone()))?.error
		if (why === 'session_ended' || (why === 'unauthorized' && used.live)) end(why, used)
		return [response, why]
	}

	const authFetch = async (input, init) => {
		let request = new Request(input, init)
		if (!origins.includes(new URL(request.url).origin) || request.headers.has('Authorization')) return fetch(request)
		await ready
		if (!byCode) request = new Request(request, { credentials: 'include' })
		else if (Date.now() > state.expires) await refresh()
		const copy = request.clone()
		const used = state
		const sent = Date.now()
		let [response, why] = await send(request)
		if (why === 'try_refresh') {
			await refresh(used, sent)
			if (state.live) [response] = await send(copy)
		}
		return response
	}

	const ask = async (path, init) => {
		const response = await authFetch(base + path, init)
		const body = await parsed(response)
		if (response.ok) return body
		if (response.status === 401) return null
		throw refusal(response, body)
	}

	const finish = async () => {
		const { origin, pathname, search } = location
		let { state: to, code, iss, error } = Object.fromEntries(new URLSearchParams(search))
		if (redirectURI.split('?')[0] !== origin + pathname || (byCode ? !to || !(code || error) : sameOrigin(to) !== to)) return null
		history.replaceState(null, '', origin + pathname)
		const all = read(attempts, key)
		const [begun, verifier, returnTo] = all.find((a) => a[0] === to) || []
		attempts.setItem(key, JSON.stringify(all.filter((a) => a[0] !== to)))
		if (byCode) {
			if (!verifier) throw new PosternError('invalid_state')
			if (error) throw new PosternError(error)
			if (iss !== base) throw new PosternError('invalid_issuer')
			// Once: a second use ends the session.
			keep(await post('/token', { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: redirectURI }, '', false), 1)
			to = sameOrigin(returnTo)
		} else if (await ask('/session').catch(() => 0)) set({ live: true, begun })
		history.replaceState(null, '', to)
		return to
	}

	ready = byCode && catchUp(300)

	return Object.assign(events, {
		async signIn({ provider, returnTo = location.href } = {}) {
			const to = sameOrigin(returnTo)
			if (!to) throw TypeError(returnTo)
			const query = { redirect_uri: redirectURI, state: to.length < 1e3 ? to : redirectURI, ...client }
			let verifier
			if (byCode) {
				const id = () => crypto.randomUUID()
				verifier = id() + id() + id()
				const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
				const challenge = btoa(String.fromCharCode(...new Uint8Array(hash)))
				query.state = id() + id()
				query.response_type = 'code'
				query.code_challenge = challenge.replaceAll('+', '-').replaceAll('/', '_').replace('=', '')
				query.code_challenge_method = 'S256'
			}
			attempts.setItem(key, JSON.stringify([[query.state, verifier, to], ...read(attempts, key)].slice(0, 5)))
			location.assign(base + (provider ? '/' + provider : '') + '/authorize?' + new URLSearchParams(query))
		},

		callback() {
			returned ||= finish()
			ready = Promise.allSettled([ready, returned])
			return returned
		},

		fetch: authFetch,

		async session() {
			await ready
			if (byCode && !state.live) return null
			const body = await ask('/session')
			if (body && !state.live) {
				Object.assign(state, { live: true, at: Date.now() })
				emit()
			}
			return body
		},

		signOut: () =>
			locked(async () => {
				await catchUp(100)
				const token = state.refresh || state.access
				if (token || !byCode) await post('/signout', null, token)
				end('signed_out')
			}),

		async signOutEverywhere() {
			await ask('/signout/everywhere', { method: 'POST' })
			end('signed_out')
		},
	})
}
