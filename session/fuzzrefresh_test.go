package session_test

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/posternauth/postern/session"
)

// FuzzRefreshToken: of all texts only refresh tokens that were given out are taken, as they were given out; no other
// changes the store or is an outage, and what can be read as one is written as it was read.
func FuzzRefreshToken(f *testing.F) {
	k := newKeeper(f, func(c *session.Config) { c.Rand = rand.NewChaCha8([32]byte{1}) }) // the same tokens in every process of a run
	good, other := k.create(), k.create()
	issued := map[string]string{good.Refresh: good.SessionID, other.Refresh: other.SessionID}
	p := strings.Split(good.Refresh, ".")
	for token := range issued {
		f.Add(token)
	}
	f.Add(strings.Replace(good.Refresh, ".0.", ".1.", 1))
	f.Add(strings.Replace(good.Refresh, ".0.", ".-0.", 1))
	f.Add(strings.Replace(good.Refresh, ".0.", ".9223372036854775807.", 1))
	f.Add(strings.TrimSuffix(good.Refresh, p[5]) + strings.Split(other.Refresh, ".")[5])
	f.Add("v2." + strings.Join(p[1:4], ".") + "." + p[5] + "." + strings.Join(p[4:], "."))
	f.Add(good.Access)
	f.Add(good.SessionID)
	f.Add("v1.s1." + p[2] + ".!.0." + p[5])
	f.Add("v1.....")
	f.Fuzz(func(t *testing.T, token string) {
		k.spy.calm()
		if kid, id, n, tag, ok := session.ParseTicket(token); ok {
			again := "v1." + kid + "." + id + "."
			if user := session.TicketUser(token); user != "" {
				again = "v2." + kid + "." + id + "." + user + "."
			}
			if again += strconv.FormatInt(n, 10) + "." + tag; again != token || n < 0 {
				t.Fatalf("%q is read as %q", token, again)
			}
		}
		tokens, err := k.sessions.Refresh(t.Context(), token)
		if id, ok := issued[token]; ok != (err == nil) || tokens.SessionID != id {
			t.Fatalf("%q: %+v, %v", token, tokens, err)
		}
		if err != nil && !errors.Is(err, session.ErrRefresh) && !errors.Is(err, session.ErrEnded) {
			t.Fatalf("%q: %v", token, err)
		}
		if k.spy.writes() != 0 {
			t.Fatalf("%q wrote to the store", token)
		}
		rec := serve(k.member.Require(k.whoami()), request("GET", "/", "Cookie", k.renewal()+"="+token))
		if rec.Code >= 500 || rec.Code == 200 && !strings.Contains(token, good.Refresh) && !strings.Contains(token, other.Refresh) {
			t.Fatalf("%q as a cookie: %d %s", token, rec.Code, rec.Body)
		}
		for _, changes := range k.spy.written { // a forged token is counted
			if strings.HasPrefix(changes[0].Item.Key.Part, "session:") {
				t.Fatalf("%q as a cookie wrote to a session", token)
			}
		}
	})
}
