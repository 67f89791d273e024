/** Options of createClient. */
export interface Options {
	/** The issuer of the sessions, such as "https://api.example.com/auth". A path is of this origin. */
	base: string

	/**
	 * How the session reaches this page. With "cookie" the browser keeps it in HttpOnly cookies of the issuer: for pages
	 * of the issuer's own site. With "code" this page holds the tokens, by an authorization code with PKCE (S256): for
	 * pages of another site.
	 *
	 * Defaults to "cookie".
	 */
	flow?: 'cookie' | 'code'

	/** The client_id of the issuer, if you send one. Defaults to none: the issuer has one client. */
	clientID?: string

	/**
	 * Where a sign-in comes back to: an address of this origin, and an entry of postern.Config.Redirects as a whole URL.
	 * That page calls callback().
	 *
	 * Defaults to "/".
	 */
	redirectURI?: string

	/**
	 * More origins that get cookies or the token from fetch. The issuer's origin always does, other origins never.
	 *
	 * Defaults to none.
	 */
	origins?: string[]

	/**
	 * Where tokens of the flow "code" are kept, so that they outlive the page: localStorage or sessionStorage. A script
	 * that gets into your page can read them there, and so can programs that read the browser's files. In sessionStorage,
	 * a tab that the browser had put to sleep may come back with a token that is too old, and is then signed out.
	 *
	 * Defaults to memory: a tab takes them from the other open tabs, and after the last one is closed or reloaded the
	 * person signs in again.
	 */
	storage?: Storage

	/**
	 * Where the last five sign-ins are noted: the address to return to, and for the flow "code" the PKCE verifier. Give
	 * localStorage if people sign in by a mailed link: the link opens in a new tab, which does not see the sessionStorage
	 * of the old one. With cookies such a sign-in succeeds without it, but tabs that knew of a session get no "start".
	 *
	 * Defaults to sessionStorage.
	 */
	attempts?: Storage
}

/** The session of this browser, as GET {base}/session answers. Times are RFC 3339. */
export interface Session<Properties = Record<string, unknown>> {
	id: string
	kind: string
	sub: string
	client_id: string
	properties: Properties
	auth_time?: string
	amr?: string[]
	scopes?: string[]
	roles?: string[]
	token_expires_at: string
}

/**
 * Why the session ended: "signed_out" by this client, in any tab; "session_ended" at the server; "unauthorized" if the
 * cookies are gone.
 */
export type EndReason = 'signed_out' | 'session_ended' | 'unauthorized'

/** An answer that is an error, or no answer. */
export class PosternError extends Error {
	/**
	 * The error of the answer, such as "temporarily_unavailable", or "server_error" if it has none. Of callback() also
	 * "invalid_state" (the sign-in was not begun here, or is finished), "invalid_issuer", and the error of the address.
	 * "network" means that no answer came: the request may be repeated, a callback() may not.
	 */
	readonly code: string
	/** The HTTP status; 0 if there is none. */
	readonly status: number
	/** Seconds to wait before the next try; 0 if unknown. */
	readonly retryAfter: number
}

/** A client for one issuer. Its methods can be passed around without it. */
export interface Client extends EventTarget {
	/**
	 * Leaves this page for the sign-in: by the named provider, or by the issuer's page of providers. The person comes back
	 * to redirectURI, and callback() leads on to returnTo, an address of this origin. Any other address is a TypeError,
	 * and so is one whose path begins with "//".
	 *
	 * returnTo defaults to the address of this page.
	 */
	signIn(options?: { provider?: string; returnTo?: string | URL }): Promise<void>

	/**
	 * Ends a sign-in. Call it when the page loads, before session() and before the address is read. It takes code and
	 * state out of the address bar, and puts returnTo there, which is also the result. The result is null if this page
	 * load ends no sign-in. It fails with a PosternError.
	 *
	 * With cookies anybody can write a link that looks like the end of a sign-in. So it asks the issuer for the session,
	 * and gives "start" only if there is one.
	 */
	callback(): Promise<string | null>

	/**
	 * fetch with the session. A request to the issuer's origin or to one of origins gets the cookies or the token. If the
	 * answer is 401 try_refresh, the session is refreshed, once for all tabs, and the request is sent again, once. A
	 * request to another origin, or with an Authorization header, is sent as it is.
	 *
	 * It fails with a PosternError if the session cannot be refreshed at this time: status 429 or 503, with retryAfter,
	 * code "network", or code "try_refresh" from a process of the server that does not know the token. The session goes
	 * on. An ended session gives the 401 as it is, and the event "end".
	 */
	fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>

	/** The session of this browser, or null if nobody is signed in. It fails with a PosternError. */
	session<Properties = Record<string, unknown>>(): Promise<Session<Properties> | null>

	/**
	 * Ends the session, in all tabs. It fails with a PosternError if the server could not end it: the person is then still
	 * signed in, and may try again.
	 */
	signOut(): Promise<void>

	/** Ends all sessions of the person, on all devices. It fails like signOut(). */
	signOutEverywhere(): Promise<void>

	/**
	 * Calls the listener when a session begins or is found, in this tab or another one. It may be that of another person
	 * than before.
	 */
	addEventListener(type: 'start', listener: (event: CustomEvent<undefined>) => void, options?: AddEventListenerOptions | boolean): void
	/** Calls the listener when the session ended, in this tab or another one. */
	addEventListener(type: 'end', listener: (event: CustomEvent<EndReason>) => void, options?: AddEventListenerOptions | boolean): void
	addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: AddEventListenerOptions | boolean): void
}

/** Makes a client. One for each page is enough; all clients of an origin and an issuer share one session. */
export function createClient(options: Options): Client
