// A program without sign-in: nginx lets nobody in without a session, and sends who it is in headers.
import { createServer } from 'node:http'

createServer((request, response) => {
	const { 'x-auth-subject': subject, 'x-auth-roles': roles, 'x-auth-scopes': scopes, cookie } = request.headers
	response.setHeader('Content-Type', 'application/json')
	response.setHeader('Cache-Control', 'no-store')
	response.end(JSON.stringify({ program: 'Node', subject: decodeURIComponent(subject), roles, scopes, cookie }))
}).listen(8002, '127.0.0.1')
