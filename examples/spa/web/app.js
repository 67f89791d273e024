import { createClient } from '/postern.js'

const $ = (selector) => document.querySelector(selector)
const { base, flow } = await (await fetch('/settings.json')).json()
// A mailed link opens in a new tab, so what the sign-in needs there is in localStorage.
const auth = createClient({ base, flow, attempts: localStorage })
const api = new URL('/api/notes', base)

function show(status, signedIn) {
	$('#status').textContent = status
	$('#signin').hidden = signedIn
	$('#notes').hidden = !signedIn
}

async function list() {
	const answer = await auth.fetch(api)
	if (!answer.ok) return
	const asked = location.pathname.match(/^\/notes\/(\d+)$/)?.[1]
	const items = (await answer.json()).map(({ number, text }) => {
		const item = document.createElement('li')
		item.textContent = text
		item.classList.toggle('asked', String(number) === asked)
		return item
	})
	$('ol').replaceChildren(...items)
}

async function start() {
	const session = await auth.session()
	if (session === null) return show('You are signed out.', false)
	await list()
	show(`Hello, ${session.properties.email}.`, true)
}

const failed = (error) => show(`That did not work (${error.code ?? error.message}). Please try again.`, !$('#notes').hidden)

$('#signin').addEventListener('click', () => auth.signIn().catch(failed)) // and back to this address
$('#signout').addEventListener('click', () => auth.signOut().catch(failed))
$('form').addEventListener('submit', async (event) => {
	event.preventDefault()
	const form = event.target
	try {
		await auth.fetch(api, { method: 'POST', body: JSON.stringify({ text: form.text.value }), headers: { 'Content-Type': 'application/json' } })
		form.reset()
		await list()
	} catch (error) {
		failed(error)
	}
})
auth.addEventListener('end', () => show('You are signed out.', false))
auth.addEventListener('start', () => start().catch(failed)) // signed in by another tab

try {
	await auth.callback()
	await start()
} catch (error) {
	failed(error)
}
