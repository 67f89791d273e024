// Property tests of a running server against its OpenAPI document: fast-check makes requests and shrinks those that
// fail, and ajv judges the answers.
import { readFileSync } from 'node:fs'
import Ajv from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import fc from 'fast-check'

const [site, runs] = process.argv.slice(2)
const document = JSON.parse(readFileSync('openapi.json', 'utf8'))
const ajv = new Ajv({ strict: false })
addFormats(ajv)
ajv.addSchema(document, 'openapi')

const resolve = (o) => (o.$ref ? o.$ref.slice(2).split('/').reduce((at, part) => at[part], document) : o)

// wild are texts that programs stumble over.
const wild = fc.oneof(
	fc.string(),
	fc.string({ unit: 'binary' }),
	fc.constantFrom('', ' ', '.', '..', '%00', '%2f', '\u0000', 'null', '-1', '0', '١', 'a@b', 'password', 'code', 'x'.repeat(5000), "' OR 1=1 --", '<b>', '\r\nX: y', '\ud800'),
)

// fitting makes values that fit a schema.
function fitting(schema) {
	const s = resolve(schema)
	if (s.const !== undefined) return fc.constant(s.const)
	if (s.enum) return fc.constantFrom(...s.enum)
	const types = [s.type ?? ['null', 'string', 'object']].flat()
	return fc.oneof(...types.map((type) => {
		switch (type) {
			case 'null': return fc.constant(null)
			case 'boolean': return fc.boolean()
			case 'integer': return fc.integer({ min: s.minimum, max: s.maximum })
			case 'array': return fc.array(fitting(s.items), { maxLength: 4 })
			case 'object': {
				const known = Object.entries(s.properties ?? {}).map(([name, value]) => [name, fitting(value)])
				return fc.record(Object.fromEntries(known), { requiredKeys: s.required ?? [] })
			}
		}
		if (s.format === 'date-time') return fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map((d) => d.toISOString())
		return fc.oneof(wild, fc.emailAddress(), fc.webUrl())
	}))
}

const address = fc.tuple(fc.integer({ min: 1, max: 223 }), fc.nat(255), fc.nat(255), fc.nat(255)).map((parts) => parts.join('.'))

function requests(path, op) {
	const parameters = (op.parameters ?? []).map(resolve)
	const content = op.requestBody?.content ?? {}
	const bodies = Object.entries(content).map(([media, c]) =>
		fc.oneof(fitting(c.schema), fc.dictionary(wild, wild), ...(media.endsWith('json') ? [fc.jsonValue()] : [])).map((value) => ({ media, value })))
	return fc.record({
		path: fc.record(Object.fromEntries(parameters.filter((p) => p.in === 'path').map((p) => [p.name,
			p.name === 'provider' ? fc.constantFrom('password', 'code', 'none') : fc.oneof(wild, fc.constant('password'))]))),
		query: fc.record(Object.fromEntries(parameters.filter((p) => p.in === 'query').map((p) => [p.name, fc.oneof(fitting(p.schema), wild)])), { requiredKeys: [] }),
		body: bodies.length ? fc.option(fc.oneof(...bodies)) : fc.constant(null),
		signedIn: fc.boolean(),
		address,
	})
}

const encodable = (text) => encodeURIComponent(String(text).toWellFormed())

async function send(method, path, request, token) {
	const url = new URL(site + '/auth' + path.replace(/\{(\w+)\}/g, (_, name) => encodable(request.path[name]) || 'x'))
	for (const [name, value] of Object.entries(request.query)) url.searchParams.set(name, String(value).toWellFormed())
	const headers = { Accept: 'application/json', 'X-Client-IP': request.address }
	if (request.signedIn) headers.Authorization = 'Bearer ' + token
	let body
	if (request.body && method !== 'GET') {
		headers['Content-Type'] = request.body.media
		body = request.body.media.endsWith('json') ? JSON.stringify(request.body.value)
			: new URLSearchParams(Object.entries(request.body.value ?? {}).map(([n, v]) => [n.toWellFormed(), String(v).toWellFormed()]))
	}
	return fetch(url, { method, headers, body, redirect: 'manual' })
}

const seen = {}
let sent = 0
for (const [path, methods] of Object.entries(document.paths)) {
	for (const [name, op] of Object.entries(methods)) {
		const method = name.toUpperCase()
		let token = await (await fetch(site + '/token')).text()
		await fc.assert(fc.asyncProperty(requests(path, op), async (request) => {
			const answer = await send(method, path, request, token)
			const text = await answer.text()
			const gone = new URL(answer.url).pathname.split('/').length !== ('/auth' + path).split('/').length // '..' in it: another path
			if (gone) return
			sent++
			seen[answer.status] = (seen[answer.status] ?? 0) + 1
			if (answer.status === 500 || answer.status === 503) throw new Error(`a fault: ${answer.status} ${text}`)
			const documented = op.responses[answer.status]
			if (!documented) throw new Error(`the status ${answer.status} is not in the document: ${text}`)
			const { content } = resolve(documented)
			if (!content) {
				if (text) throw new Error(`a body that is not in the document: ${text}`)
				return
			}
			const media = (answer.headers.get('Content-Type') ?? '').split(';')[0]
			if (!content[media]) throw new Error(`the media type ${media} is not in the document: ${text}`)
			const root = content[media].schema
			const schema = JSON.parse(JSON.stringify(root).replaceAll('"#/', '"openapi#/'))
			if (!ajv.validate(schema, JSON.parse(text))) throw new Error(`${ajv.errorsText()}: ${text}`)
			if (answer.ok && request.signedIn) token = await (await fetch(site + '/token')).text() // the session may have ended
		}), { numRuns: Number(runs), endOnFailure: false, interruptAfterTimeLimit: 20_000 }).catch((error) => {
			console.error(method, path)
			throw error
		})
	}
}
console.log(sent, 'requests:', JSON.stringify(seen))
if (sent < 300 || !seen[200] || !seen[204] || !seen[400] || !seen[401] || !seen[404]) throw new Error('too little was seen')
