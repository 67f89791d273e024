package fakeidp

import "time"

// An Endpoint is what a request is for, in any shape.
type Endpoint string

// The endpoints.
const (
	Discovery Endpoint = "discovery"
	Authorize Endpoint = "authorize"
	Token     Endpoint = "token"
	UserInfo  Endpoint = "userinfo" // and GitHub's /api/user
	Emails    Endpoint = "emails"   // GitHub's /api/user/emails
	JWKS      Endpoint = "jwks"
)

// A Trouble is a way for an endpoint not to answer well.
type Trouble string

// The troubles.
const (
	Slow         Trouble = "slow"          // answers rightly after Faults.Delay
	Drip         Trouble = "drip"          // answers rightly, one byte every Faults.Delay
	Huge         Trouble = "huge"          // one JSON string of 1 GiB
	GzipBomb     Trouble = "gzip-bomb"     // 1 MiB that unpacks to 1 GiB, whether or not gzip was asked for
	RedirectLoop Trouble = "redirect-loop" // 302 to Faults.RedirectTo, by default to itself
	ServerError  Trouble = "server-error"  // 500 with an HTML page
	NotJSON      Trouble = "not-json"      // 200 with an HTML page
	Down         Trouble = "down"          // the connection ends without an answer
)

// Faults are what the provider does wrong. The zero value does nothing wrong. Faults may be combined; those of one ID
// token are applied in the order of the fields.
type Faults struct {
	// The answer at the callback.

	Deny             bool   // error=access_denied, whatever the person chooses
	Error            string // this error code instead of a code
	ErrorDescription string // its text, as hostile as you like
	WrongState       bool   // another state than was sent
	DuplicateCode    bool   // the parameter code twice
	WrongIss         bool   // iss of another issuer (RFC 9207)
	NoIss            bool   // no iss, although the metadata announce it
	NoIssAnnounced   bool   // the metadata do not announce iss; it is sent all the same

	// The token answer.

	TokenError string // this error code from the token endpoint
	NoIDToken  bool   // no id_token

	// The ID token.

	WrongIssuer   bool                        // iss of another issuer
	WrongAudience bool                        // aud of another client
	MoreAudiences bool                        // aud with a second member, and no azp
	WrongNonce    bool                        // another nonce
	NoNonce       bool                        // no nonce
	NoSubject     bool                        // no sub
	NoIssuedAt    bool                        // no iat
	Expired       bool                        // exp and iat two hours ago
	AuthAge       time.Duration               // auth_time is this long ago, whatever max_age asked for
	IDToken       func(claims map[string]any) // last word on the claims
	UnknownKey    bool                        // signed with a key that is not published, under its own kid
	NoKeyID       bool                        // no kid in the header
	AlgNone       bool                        // alg "none", empty signature
	HMAC          bool                        // HS256, keyed with the PEM of the public key
	BadSignature  bool                        // one bit of the signature flipped

	// The address, in the ID token, at UserInfo and in GitHub's list.

	NoEmail           bool // no address
	EmailUnverified   bool // email_verified false
	EmailVerifiedText bool // email_verified "true", a string
	NoEmailVerified   bool // no email_verified

	// Elsewhere.

	OtherSubject         bool // UserInfo is about somebody else
	WrongDiscoveryIssuer bool // the metadata name another issuer

	// Transport is the trouble of each endpoint, or of all but Authorize under the key "".
	Transport map[Endpoint]Trouble
	// Delay of Slow (default 30 s) and Drip (default 1 s).
	Delay time.Duration
	// RedirectTo is where RedirectLoop leads; default: the same URL again.
	RedirectTo string
}

// SetFaults replaces the faults, from the next request on.
func (p *IdP) SetFaults(f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	transport := make(map[Endpoint]Trouble, len(f.Transport))
	for e, t := range f.Transport {
		transport[e] = t
	}
	f.Transport = transport
	p.faults = f
}

// Calls counts the requests to an endpoint since New or ResetCalls, refused ones too.
func (p *IdP) Calls(e Endpoint) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[e]
}

// ResetCalls sets every count to zero.
func (p *IdP) ResetCalls() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.calls)
}

func (f Faults) trouble(e Endpoint) Trouble {
	if t, ok := f.Transport[e]; ok {
		return t
	}
	if e == Authorize {
		return ""
	}
	return f.Transport[""]
}
