package session

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Tokens of a session. In JSON they are the answer of a token endpoint (RFC 6749 section 5.1): access_token,
// token_type, expires_in, and refresh_token and scope where there are any. POST {base}/token gives this answer, and a
// program can decode it into Tokens. SessionID and RefreshExpires are not part of it.
type Tokens struct {
	SessionID      string
	Access         string    // a JWT (RFC 9068)
	Expires        time.Time // of Access
	Refresh        string    // for Sessions.Refresh; empty if the kind is stateless
	RefreshExpires time.Time // of Refresh, if it is not used before
	Scope          string    // the scopes of the session, separated by spaces

	issued time.Time // on the clock of the sessions; zero: not made here
}

type tokensJSON struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int64  `json:"expires_in"` // seconds
	Refresh string `json:"refresh_token,omitempty"`
	Scope   string `json:"scope,omitempty"`
}

// MarshalJSON writes tokens as a token endpoint does. expires_in counts from the moment they were made.
func (t Tokens) MarshalJSON() ([]byte, error) {
	life := t.Expires.Sub(t.issued)
	if t.issued.IsZero() {
		life = time.Until(t.Expires)
	}
	return json.Marshal(tokensJSON{t.Access, "Bearer", max(0, int64(life/time.Second)), t.Refresh, t.Scope})
}

// UnmarshalJSON reads the answer of a token endpoint; expires_in counts from now. It returns an error if access_token
// is missing, as in an error answer of the endpoint, or if token_type is not Bearer.
func (t *Tokens) UnmarshalJSON(text []byte) error {
	var in tokensJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return fmt.Errorf("session: tokens: %w", err)
	}
	switch {
	case in.Access == "":
		return fmt.Errorf("session: tokens: access_token is missing")
	case !strings.EqualFold(in.Type, "Bearer"): // RFC 6749 section 5.1: without regard to case
		return fmt.Errorf("session: tokens: token_type is not Bearer")
	}
	now := time.Now()
	*t = Tokens{Access: in.Access, Expires: now.Add(time.Duration(in.Expires) * time.Second), Refresh: in.Refresh, Scope: in.Scope, issued: now}
	return nil
}
