// Package returnto carries the way back of a sign-in from package postern, which alone decides it, to package session,
// which delivers a session along it. The package is internal, so that no application can make a Return.
package returnto

// A Return is where a finished sign-in leads. The zero Return leads nowhere.
type Return struct {
	target, state, challenge, clientID, addr string
}

// New returns a Return to target, an absolute URL on the allow-list of the application. state is given back as it
// came. challenge is an S256 code challenge (see [IsChallenge]) or empty.
func New(target, state, challenge, clientID string) Return {
	return Return{target: target, state: state, challenge: challenge, clientID: clientID}
}

// From returns r with the client address the sign-in came from.
func (r Return) From(addr string) Return {
	r.addr = addr
	return r
}

// Addr is the client address the sign-in came from; empty if it is unknown.
func (r Return) Addr() string { return r.addr }

// Target is the absolute URL to go to.
func (r Return) Target() string { return r.target }

// State is what the application asked to get back; empty if it asked for nothing.
func (r Return) State() string { return r.state }

// Challenge is the S256 code challenge of the application; empty if it sent none.
func (r Return) Challenge() string { return r.challenge }

// ClientID is the client_id the application named; empty if it named none.
func (r Return) ClientID() string { return r.clientID }

// IsZero reports whether r leads nowhere.
func (r Return) IsZero() bool { return r.target == "" }
