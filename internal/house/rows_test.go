package house

// A row is a requirement that the code answers for by tests which carry its id: TestJ1_..., or a subtest T1_... of the
// store contract.
type row struct{ id, holds string }

// catalogue is the table of docs/security.md.
var catalogue = []struct {
	title string
	rows  []row
}{
	{"Tokens", []row{
		{"J1", "`alg` none, in any spelling or shape, is refused"},
		{"J2", "the algorithm belongs to the key; HMAC keyed with a public key is refused"},
		{"J3", "`alg`, `use` and `key_ops` of a JWK are enforced, one algorithm for a key"},
		{"J4", "`jwk`, `jku`, `x5u`, `x5c` never choose a key and never cause a request"},
		{"J5", "`kid` is an opaque name: no file, SQL, URL or template"},
		{"J6", "any `crit` is refused"},
		{"J7", "`b64: false`, `zip` and nested tokens are refused"},
		{"J8", "a member named twice is refused at every depth, as it stands or by escapes; in header and claims also by letter case"},
		{"J9", "base64url is strict: no padding, white space, other alphabet, unused bits"},
		{"J10", "exactly three parts, compact form; no trailing data, BOM, other encoding"},
		{"J11", "ES256 signatures are 64 bytes with 0 < r, s < n; PSS salt is as long as the hash"},
		{"J12", "`exp` is required and a number; `now >= exp + leeway` is refused; nothing wraps"},
		{"J13", "`iss` compares whole, `aud` as an exact member; other types are refused"},
		{"J14", "no token of one purpose passes for another"},
		{"J15", "work before trust is bounded: size, parts, depth"},
		{"J16", "weak keys are refused when they are loaded"},
	}},
	{"Signing in with a provider", []row{
		{"C1", "`state` is 256 bits, works once, is bound to browser, provider and flow, and is checked before any token request"},
		{"C2", "PKCE S256 always, with a new verifier for each attempt; Slack and LinkedIn alone refuse it"},
		{"C3", "ID token: signature, `iss`, `aud`, `azp`, `exp`, `iat`, `nonce`, `sub`; UserInfo is about the same `sub`"},
		{"C4", "mix-up: `iss` of the answer is checked; each provider has a callback of its own"},
		{"C5", "metadata name the configured issuer; all endpoints are https"},
		{"C6", "no call goes to a private, loopback, link-local or metadata address, after DNS"},
		{"C7", "calls are bounded in time and size; one provider's outage is its own"},
		{"C8", "errors of a callback are inert: escaped, no redirect; a parameter twice is 400"},
		{"C9", "a callback works once, also under a race"},
		{"C10", "URLs come from configuration; Host, X-Forwarded-*, Forwarded change nothing"},
		{"C11", "nothing of a request lives in a provider"},
		{"C12", "a return address is on the exact list"},
	}},
	{"Issuing", []row{
		{"I1", "`redirect_uri` compares character for character; only a loopback port may vary"},
		{"I2", "until the return address is known to be good, errors are shown and never redirected; after a POST 303"},
		{"I3", "an authorization code is 256 bits, lives 60 s, works once under any race, and is bound to client, return address and challenge"},
		{"I4", "PKCE is required, S256 only"},
		{"I11", "discovery and JWKS agree, hold public members only, and are cacheable"},
	}},
	{"Accounts and mail", []row{
		{"A1", "the key of an identity is (issuer, subject)"},
		{"A2", "an address the provider did not prove is not verified, whatever its claim looks like"},
		{"A4", "one address has one form; look-alikes are others or refused; mail goes to the canonical form"},
		{"A5", "one address in a request, or 400"},
		{"A8", "answers do not depend on whether an address is known"},
		{"M1", "a link is used by a POST; fetching it changes nothing"},
		{"M2", "links and codes work once under a race, live ten minutes, and are kept as HMAC only"},
		{"M3", "they are bound to purpose, address and browser; another browser confirms, and signs in only itself"},
		{"M4", "no request chooses where a link points; the token leaves the URL"},
		{"M5", "guesses are bounded on the server, for a code and for an account, before comparing"},
		{"M6", "mails are limited by address and client; nothing of the request is put into them unescaped"},
		{"M9", "what a client sends never becomes a trusted claim"},
	}},
	{"Sessions and browsers", []row{
		{"S2", "a token altered, cut or extended is refused"},
		{"S3", "cookies: `__Host-`, Secure, HttpOnly, SameSite, Path=/, within 4,096 bytes; duplicates refused"},
		{"X1", "CORS answers an exact list of origins, with `Vary`, also on errors"},
		{"X2", "what changes something needs a same-origin proof and is no GET"},
		{"X3", "CSP, frame-ancestors, nosniff, Referrer-Policy, HSTS, COOP; token answers are no-store"},
	}},
	{"Keys", []row{
		{"K1", "rotation without an outage; `kid` is the RFC 7638 thumbprint; revocation at once"},
		{"K2", "unknown kids cost at most one fetch in a cooldown; a key set that can't be fetched goes on serving"},
		{"K3", "of fifty processes that start at once on an empty vault all have the same key"},
		{"K4", "private keys are encrypted at rest; cookies are sealed by AEAD under a secret key"},
	}},
	{"Logs, load, storage", []row{
		{"L1", "no secret in logs, errors, events or output"},
		{"L2", "one event for each outcome; input forges no line"},
		{"D1", "bodies, fields, headers and time are bounded before work is done"},
		{"D3", "limits go by the peer's address or a configured proxy's header; IPv6 by /64; unfinished sign-ins store nothing"},
		{"T1", "one contract for every store, races included, nothing skipped"},
		{"T2", "what happens once is one conditional write; of a hundred racers one wins"},
		{"T3", "expiry is decided by comparison; an error of the store is never \"absent\" or \"allowed\""},
		{"T4", "a process killed at any moment leaves the old state or the new one; what was acknowledged stays (SQLite)"},
		{"T5", "names are only names: no injection in keys, cursors, patterns"},
	}},
}
