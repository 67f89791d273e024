package password_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

// A guess that is refused by the limit of the client address was not compared, so it does not count towards the lock.
func TestP5_RefusedGuessesDoNotLock(t *testing.T) {
	w := newWorld(t)
	w.browser().signUp("ada@example.com", good)
	eve := w.browser()
	eve.signUp("eve@example.com", good)
	want(t, eve.signIn("eve@example.com", good), http.StatusSeeOther, "/continue") // a sealed cookie
	for i := range 101 {                                                           // use up the limit of the address
		w.browser().signIn(fmt.Sprintf("user%d@example.com", i), better)
	}
	refused := 0
	for range 8 {
		if eve.signIn("ada@example.com", better).Code == http.StatusTooManyRequests {
			refused++
		}
	}
	user := w.user("ada@example.com")
	items, err := w.store.Store.Get(t.Context(), store.Key{Part: head.Part(issuer, user), ID: "password tries"})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range items {
		if refused == 8 && !strings.Contains(string(item.Value), `"n":0`) {
			t.Errorf("%d guesses were refused, and the count of wrong passwords is %s", refused, item.Value)
		}
	}
	if refused != 8 {
		t.Fatalf("refused %d", refused)
	}
}

// A person sees in the history of the account that the password was changed or reset.
func TestHistory_OfPasswords(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signUp("ada@example.com", good)
	want(t, b.post("/password/change", "password", good, "new_password", better), http.StatusOK, "was changed")
	token := w.browser().forgot("ada@example.com")
	want(t, w.browser().post("/password/reset", "token", token, "password", good), http.StatusSeeOther, "/password/authorize")
	want(t, b.signIn("ada@example.com", good), http.StatusSeeOther, "/continue")
	r := b.Request(http.MethodGet, issuer+"/account/history", nil)
	body := b.Do(r).Body.String()
	for _, event := range []string{"password_changed", "password_reset"} {
		if !strings.Contains(body, event) {
			t.Errorf("no %s in %s", event, body)
		}
	}
}

// The account leads to the page where the password is changed.
func TestAccount_LeadsToThePassword(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signUp("ada@example.com", good)
	for path, accept := range map[string]string{"/account/security": "text/html", "/account": "application/json"} {
		r := b.Request(http.MethodGet, issuer+path, nil)
		r.Header.Set("Accept", accept)
		if body := b.Do(r).Body.String(); !strings.Contains(body, issuer+"/password/change") {
			t.Errorf("%s: no link to the password\n%s", path, body)
		}
	}
}
