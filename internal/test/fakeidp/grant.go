package fakeidp

import (
	"net/http"
	"strings"
	"time"
)

// A grant is what somebody agreed to: it travels from the login through the code to the tokens.
type grant struct {
	shape       shape
	client      string
	redirectURI string
	challenge   string // PKCE, S256
	nonce       string
	tenant      string // of Microsoft, as the path names it
	scopes      []string
	idClaims    map[string]bool // Twitch: members of the claims parameter
	infoClaims  map[string]bool
	offline     bool // a refresh token is wanted
	user        User
	authTime    time.Time
	expires     time.Time // of the code or token it is kept under
	used        bool      // the code
	ended       *bool     // shared by all that came of one login: a second use of the code ends them (RFC 6749 section 4.1.2)
}

func (g *grant) has(scope string) bool {
	for _, s := range g.scopes {
		if s == scope {
			return true
		}
	}
	return false
}

// A login remembers who signed in with a browser, for prompt=none and max_age.
type login struct {
	user    User
	at      time.Time
	expires time.Time
}

// keep stores g under a new random name and forgets what has expired. The caller holds the lock.
func keep(p *IdP, m map[string]*grant, prefix string, g *grant, life time.Duration) string {
	now := p.config.Now()
	if len(m)%64 == 63 {
		for name, old := range m {
			if now.After(old.expires) {
				delete(m, name)
			}
		}
	}
	kept := *g
	kept.expires = now.Add(life)
	name := prefix + p.random()
	m[name] = &kept
	return name
}

// newCode hands out an authorization code.
func (p *IdP) newCode(g *grant) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return keep(p, p.codes, "", g, codeLife)
}

// tokens are what a code or a refresh token buys.
type tokens struct {
	access, refresh string
	grant           grant
}

// redeem burns a code. It returns false for a code that is unknown, expired, used, or of another client or shape.
func (p *IdP) redeem(s shape, client, code string) (*grant, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, ok := p.codes[code]
	if !ok || g.client != client || g.shape != s {
		return nil, false
	}
	if g.used {
		*g.ended = true
		return nil, false
	}
	g.used = true // a failed try burns the code as well: PKCE must not be guessable
	return g, !p.config.Now().After(g.expires)
}

// issue makes the tokens of a grant.
func (p *IdP) issue(g *grant) tokens {
	p.mu.Lock()
	defer p.mu.Unlock()
	prefix := ""
	if g.shape == gitHub {
		prefix = "gho_"
	}
	t := tokens{grant: *g, access: keep(p, p.access, prefix, g, accessLife)}
	if g.offline {
		t.refresh = keep(p, p.refresh, "", g, loginLife)
	}
	return t
}

// takeRefresh burns a refresh token of the client.
func (p *IdP) takeRefresh(s shape, client, token string) (*grant, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, ok := p.refresh[token]
	if !ok || g.client != client || g.shape != s {
		return nil, false
	}
	delete(p.refresh, token)
	return g, !*g.ended && !p.config.Now().After(g.expires)
}

// bearer finds the grant of the access token of a request.
func (p *IdP) bearer(r *http.Request, s shape) (*grant, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") && (s != gitHub || !strings.EqualFold(scheme, "token")) {
		return nil, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	g, ok := p.access[token]
	if !ok || g.shape != s || *g.ended || p.config.Now().After(g.expires) {
		return nil, false
	}
	return g, true
}

// findUser finds somebody by subject, e-mail or login; an empty hint finds the first user.
func (p *IdP) findUser(hint string) (User, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.users {
		if hint == "" || u.Subject == hint || u.Email != "" && strings.EqualFold(u.Email, hint) || u.Login != "" && u.Login == hint {
			return u, true
		}
	}
	return User{}, false
}
