package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
)

// TestS8_LostAnswerNeverSignsOut: whatever makes a browser lose the answer of a refresh, and however late it comes
// back, its token works and raises no alarm. A page of somebody else can make it lose one: it navigates to a guarded
// page and stops.
func TestS8_LostAnswerNeverSignsOut(t *testing.T) {
	for name, ways := range map[string][2]func(k *keeper, token string) string{ // of the answer that is lost, and of the one after
		"navigation, then navigation": {navigate, navigate},
		"navigation, then POST":       {navigate, postRefresh},
		"navigation, then token":      {navigate, postToken},
		"POST, then navigation":       {postRefresh, navigate},
		"token, then token":           {postToken, postToken},
	} {
		for _, later := range []time.Duration{time.Second, 2 * time.Minute, time.Hour, 6 * day} {
			k := newKeeper(t)
			token := k.create().Refresh
			for range 3 { // again and again
				k.Advance(10 * time.Minute)
				k.told()
				lost := ways[0](k, token)
				if lost == "" || lost == token {
					t.Fatalf("%s: the visit that is cut off rotates nothing: %q", name, lost)
				}
				k.Advance(later)
				next := ways[1](k, token)
				if next == "" {
					t.Fatalf("%s, %v later: signed out", name, later)
				}
				want := "refresh retried"
				if later > 90*time.Second {
					want = "lost answer"
				}
				k.wantTold(want)
				token = next
			}
			if in := k.list(); len(in) != 1 {
				t.Errorf("%s: %d sessions", name, len(in))
			}
		}
	}
}

// navigate is a visit of a guarded page with an access token that has run out. It returns the refresh cookie that is
// set.
func navigate(k *keeper, token string) string {
	rec := serve(k.member.Require(k.whoami()), request("GET", "https://api.example.com/", "Cookie", k.access()+"=x; "+k.renewal()+"="+token,
		"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"))
	if rec.Code != http.StatusOK {
		return ""
	}
	return value(set(k.t, rec.Header(), k.renewal()))
}

func postRefresh(k *keeper, token string) string {
	rec := k.ask("POST", "/refresh", "", "Cookie", k.renewal()+"="+token, "Sec-Fetch-Site", "same-origin")
	if rec.Code != http.StatusOK {
		return ""
	}
	return value(set(k.t, rec.Header(), k.renewal()))
}

func postToken(k *keeper, token string) string {
	rec := k.ask("POST", "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}.Encode())
	if rec.Code != http.StatusOK {
		return ""
	}
	return decode(k.t, rec)["refresh_token"].(string)
}

// TestS5_LostTokenIsDead: the token that was skipped because its answer was lost is neither the present one nor the one
// before it from then on. Its use means that there is a copy. It ends the session at any later time.
func TestS5_LostTokenIsDead(t *testing.T) {
	for _, later := range []time.Duration{0, time.Second, 29 * time.Second, 89 * time.Second, 10 * time.Minute, day} {
		for _, rotated := range []bool{false, true} {
			k := newKeeper(t)
			first := k.create().Refresh
			lost := k.rotate(first).Refresh
			k.Advance(91 * time.Second)
			next := k.mustRefresh(first).Refresh
			if number(t, lost) != 1 || number(t, next) != 2 {
				t.Fatalf("%s, %s", lost, next)
			}
			if rotated { // now 2 is the one before, and neither 0 nor 1
				next = k.rotate(next).Refresh
			}
			k.told()
			k.Advance(later)
			if rotated {
				if _, err := k.refresh(first); !errors.Is(err, session.ErrReuse) {
					t.Errorf("the first token, %v after the third: %v", later, err)
				}
			} else if _, err := k.refresh(lost); !errors.Is(err, session.ErrReuse) {
				t.Errorf("the lost token, %v later: %v", later, err)
			}
			k.wantTold("session ended: reuse")
			if _, err := k.refresh(next); !errors.Is(err, session.ErrReuse) {
				t.Errorf("the good token: %v", err)
			}
		}
	}
}

// TestS8_LostAnswerAtTheSameTime: of many who ask again for a lost answer one rotates; all get the same successor.
func TestS8_LostAnswerAtTheSameTime(t *testing.T) {
	k := newKeeper(t)
	two := [2]*keeper{k, k.twin(0)}
	first := k.create().Refresh
	k.rotate(first)
	k.Advance(time.Hour)
	k.told(true)
	answers := make(chan string, 100)
	for i := range cap(answers) {
		go func() {
			got, err := two[i%2].refresh(first)
			if err != nil {
				t.Error(err)
			}
			answers <- got.Refresh
		}()
	}
	for range cap(answers) {
		if got := <-answers; got == "" || number(t, got) != 2 {
			t.Errorf("an answer %q", got)
		}
	}
	lost := 0
	for _, name := range append(k.told(true), two[1].told(true)...) {
		switch name {
		case "lost answer":
			lost++
		case "refresh retried":
		default:
			t.Errorf("event %q", name)
		}
	}
	if lost != 1 {
		t.Errorf("%d rotations", lost)
	}
}

// TestS5_CheckStoreKeepsTheGraceShut: the hourly write of CheckStore, and every other write that is not a rotation,
// changes nothing about which refresh tokens are good.
func TestS5_CheckStoreKeepsTheGraceShut(t *testing.T) {
	for name, touch := range map[string]func(k *keeper, in session.Tokens) error{
		"CheckStore": func(k *keeper, in session.Tokens) error {
			_, err := k.member.Verify(t.Context(), in.Access, session.CheckStore)
			return err
		},
		"Edit": func(k *keeper, in session.Tokens) error {
			return k.member.Edit(t.Context(), in.SessionID, func(*session.Grant[User]) error { return nil })
		},
		"RevokeOthers": func(k *keeper, in session.Tokens) error { return k.sessions.RevokeOthers(t.Context(), in.SessionID) },
	} {
		k := newKeeper(t, func(c *session.KindConfig[User]) { c.Access = 12 * time.Hour })
		first := k.create()
		second := k.rotate(first.Refresh)
		third := k.rotate(second.Refresh)
		k.Advance(2 * time.Hour)
		writes := k.spy.writes()
		if err := touch(k, third); err != nil || k.spy.writes() != writes+1 {
			t.Fatalf("%s: %v, %d writes", name, err, k.spy.writes()-writes)
		}
		k.told()
		// The present token is two hours old still: it rotates.
		if got := k.mustRefresh(third.Refresh); number(t, got.Refresh) != 3 {
			t.Errorf("%s: the present token brings %d", name, number(t, got.Refresh))
		}
		if _, err := k.refresh(second.Refresh); !errors.Is(err, session.ErrReuse) {
			t.Errorf("%s: an old token: %v", name, err)
		}
		k.wantTold("session ended: reuse")
	}
}

// TestL2_EventsNameTheClient: the events that distinguish a second tab from a thief in step carry the address and
// the agent of the request, by every way over HTTP.
func TestL2_EventsNameTheClient(t *testing.T) {
	const agent = "Thief/1.0 \x1b[31m"
	for name, way := range map[string]func(k *keeper, token string, headers ...string) int{
		"guard": func(k *keeper, token string, headers ...string) int {
			r := request("GET", "https://api.example.com/", append(headers, "Cookie", k.renewal()+"="+token)...)
			r.RemoteAddr = "10.1.2.3:4711"
			return serve(k.member.Require(k.whoami()), r).Code
		},
		"refresh": func(k *keeper, token string, headers ...string) int {
			r := request("POST", issuer+"/refresh", append(headers, "Cookie", k.renewal()+"="+token, "Sec-Fetch-Site", "same-origin")...)
			r.RemoteAddr = "10.1.2.3:4711"
			return serve(k.sessions.Handler(), r).Code
		},
		"token": func(k *keeper, token string, headers ...string) int {
			form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}.Encode()
			r := must(http.NewRequest("POST", issuer+"/token", strings.NewReader(form)))(t)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
			r.RemoteAddr = "10.1.2.3:4711"
			return serve(k.sessions.Handler(), r).Code
		},
	} {
		k := newKeeper(t)
		expect := func(event, address string) {
			t.Helper()
			last := k.lastEvent()
			if strings.TrimSpace(last.Name+" "+last.Reason) != event || last.Addr != address || last.Agent != "Thief/1.0 [31m" || last.SessionID == "" || last.Subject != "u1" {
				t.Errorf("%s: %+v, want %q from %q", name, last, event, address)
			}
		}
		first := k.create().Refresh
		if last := k.lastEvent(); last.Addr != "" || last.Agent != "" {
			t.Errorf("an event outside of HTTP: %+v", last)
		}
		second := k.rotate(first).Refresh
		headers := []string{"User-Agent", agent, "X-Forwarded-For", "198.51.100.7, 10.9.9.9"}
		way(k, first, headers...)
		expect("refresh retried", "10.1.2.3") // nobody is trusted
		must(postern.New(postern.Config{
			Sessions: k.sessions, Redirects: []string{"/"}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, ClientIPHeader: "X-Forwarded-For",
			Providers: map[string]postern.Provider{"link": magic.Link(magic.Config{})},
			Mail:      func(context.Context, postern.Mail) error { return nil },
			OnSuccess: func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return nil },
		}))(t)
		way(k, first, headers...)
		expect("refresh retried", "198.51.100.7")
		k.Advance(2 * time.Minute)
		way(k, first, headers...)
		expect("lost answer", "198.51.100.7")
		if code := way(k, second, headers...); code == 200 {
			t.Errorf("%s: the lost token is taken", name)
		}
		expect("session ended reuse", "198.51.100.7")
	}
}
