package password_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/session"
)

// TestP5_LockedUsernameOfAService: a user without a mailbox has no other way, so the lock ends after a day at a
// program that draws the pages too. A name that nobody has is answered alike.
func TestP5_LockedUsernameOfAService(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	st := state(t, b.post("/sign-up", "username", "grace"))
	want(t, b.post("/password/sign-up", "state", st, "password", good), http.StatusSeeOther, "/continue")
	names, mails := b.session().Subject, w.browser().signUp("ada@example.com", good)
	s, err := password.NewService(password.Config{Hasher: hasher()}, w.sessions, w.sessions.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{names, mails} {
		w.guessed(user, 99)
		for _, typed := range []string{better, good} {
			if _, err := s.Check(t.Context(), user, typed); !errors.Is(err, password.ErrWrong) {
				t.Errorf("locked, %q: %v", typed, err)
			}
		}
	}
	w.Advance(23 * time.Hour)
	if _, err := s.Check(t.Context(), names, good); !errors.Is(err, password.ErrWrong) {
		t.Errorf("after 23 hours: %v", err)
	}
	w.Advance(2 * time.Hour)
	if _, err := s.Check(t.Context(), names, good); err != nil {
		t.Errorf("after a day: %v", err)
	}
	if _, err := s.Check(t.Context(), mails, good); !errors.Is(err, password.ErrWrong) {
		t.Errorf("a user with a mailbox, after a day: %v", err)
	}
}

// TestA6_LostAnswerOfAChange: the store writes the change, and its answer is lost. The change is answered as done, the
// browser goes on, and the notice is sent.
func TestA6_LostAnswerOfAChange(t *testing.T) {
	lost := errors.New("the answer is lost")
	for name, deed := range map[string]func(b *browser) *httptest.ResponseRecorder{
		"password changed": func(b *browser) *httptest.ResponseRecorder {
			return b.post("/password/change", "password", good, "new_password", better)
		},
		"password removed": func(b *browser) *httptest.ResponseRecorder { return b.post("/password/remove") },
		"password set":     func(b *browser) *httptest.ResponseRecorder { return b.post("/password/set", "new_password", better) },
	} {
		t.Run(name, func(t *testing.T) {
			done := false
			for n := 1; !done; n++ {
				w := newWorld(t)
				b := w.browser()
				user := b.signUp("ada@example.com", good)
				door := w.who
				door.Provider = "door"
				if err := w.dir.Link(t.Context(), user, door); err != nil { // a way in that stays
					t.Fatal(err)
				}
				if name == "password set" {
					want(t, b.post("/password/remove"), http.StatusOK, "")
				}
				mails, before := len(w.mails.All()), w.head(user)
				writes := 0
				w.store.failing(func(_ int, write bool) (error, error) {
					if write {
						writes++
					}
					if write && writes == n {
						return nil, lost
					}
					return nil, nil
				})
				answer := deed(b)
				w.store.failing(nil)
				done = writes < n
				if after := w.head(user); after.Seq == before.Seq {
					if answer.Code != http.StatusServiceUnavailable {
						t.Errorf("write %d: nothing happened, %d", n, answer.Code)
					}
					continue
				}
				events := 0
				for _, e := range w.Events.All() {
					if e.Name == name && e.UserID == user {
						events++
					}
				}
				if sent := len(w.mails.All()) - mails; answer.Code != http.StatusOK || events == 0 || sent != 1 {
					t.Errorf("write %d was lost: %d, %d events, %d mails\n%s", n, answer.Code, events, sent, answer.Body)
				}
			}
		})
	}
}

// table is a table of a program that knows nothing of identities.
type table struct {
	mu   sync.Mutex
	rows map[string]string // ids by address
	ups  map[string]string // ids by SignUp.ID
}

func (t *table) Find(_ context.Context, id postern.Identity) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u := t.rows[id.Subject]; u != "" && id.Issuer == postern.MailIssuer {
		return u, nil
	}
	return "", postern.ErrNoUser
}

func (t *table) Get(_ context.Context, userID string) (postern.Person, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for address, u := range t.rows {
		if u == userID {
			return postern.Person{ID: u, Addresses: []postern.Address{{Type: "email", Value: address, Verified: true}}}, nil
		}
	}
	return postern.Person{}, postern.ErrNoUser
}

func (t *table) Create(_ context.Context, s postern.SignUp) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u := t.ups[s.ID]; u != "" {
		return u, nil
	}
	if t.rows[s.Identity.Subject] != "" {
		return "", postern.ErrTaken
	}
	u := fmt.Sprint("u", len(t.rows)+1)
	t.rows[s.Identity.Subject], t.ups[s.ID] = u, u
	return u, nil
}

// TestForgot_SignUpThatCrashed: in a table of the program the user can begin to exist without the password. If there is
// no other way in, the mail has a link to choose one.
func TestForgot_SignUpThatCrashed(t *testing.T) {
	for name, more := range map[string]bool{"passwords alone": false, "with another provider": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(o *options) {
				o.users = func(*session.Sessions) postern.Users {
					return &table{rows: map[string]string{"ada@example.com": "u1"}, ups: map[string]string{}}
				}
				o.config = func(c *postern.Config) {
					c.Usernames = false
					if !more {
						delete(c.Providers, "door")
					}
				}
			})
			want(t, w.browser().post("/password/forgot", "identifier", "ada@example.com"), http.StatusOK, "on its way")
			mails := w.mails.All()
			m := mails[len(mails)-1]
			if link := m.Arg("link"); (link != "") == more || (m.Name == "password.first") == more {
				t.Errorf("%s with the link %q", m.Name, link)
			}
		})
	}
}

// written is a table that keeps addresses as people wrote them, and compares them without regard to case.
type written struct{ *table }

func (t written) Get(ctx context.Context, userID string) (postern.Person, error) {
	p, err := t.table.Get(ctx, userID)
	for i, a := range p.Addresses {
		p.Addresses[i].Value = strings.Replace(a.Value, "ada@example", "Ada@Example", 1)
	}
	return p, err
}

// TestA8_AddressesAsWritten: a table of the program can have addresses in any letter case. Mail is sent to them, and
// the answer is that for an unknown address.
func TestA8_AddressesAsWritten(t *testing.T) {
	w := newWorld(t, func(o *options) {
		o.users = func(*session.Sessions) postern.Users {
			return written{&table{rows: map[string]string{}, ups: map[string]string{}}}
		}
		o.config = func(c *postern.Config) { c.Usernames = false; delete(c.Providers, "door") }
	})
	b := w.browser()
	want(t, b.post("/password/sign-up", "state", b.apply("ada@example.com"), "password", good), http.StatusSeeOther, "/continue")
	w.mailNames()
	want(t, w.browser().post("/password/forgot", "identifier", "noa@example.com"), http.StatusOK, "on its way")
	token := w.browser().forgot("ada@example.com")
	if names := w.mailNames(); len(names) != 1 || names[0] != "ada@example.com password.reset" || token == "" {
		t.Errorf("mails %v", names)
	}
	want(t, b.post("/password/change", "password", good, "new_password", better), http.StatusOK, "changed")
	if names := w.mailNames(); len(names) != 1 || names[0] != "ada@example.com password.changed" {
		t.Errorf("mails %v", names)
	}
}
