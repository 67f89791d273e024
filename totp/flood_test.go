package totp_test

import (
	"net/http"
	"testing"
	"time"
)

// One person must not use up the mails that the program may send: changes of factors are bounded, each is a mail.
func TestFlood_ChangesAndTheirMailsAreBounded(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.enroll("ada")
	before, made := len(w.mails.All()), 0
	for range 100 {
		a := b.post("/factors/recovery/enroll")
		if a.Code == http.StatusTooManyRequests {
			break
		}
		want(t, a, http.StatusOK, "Your recovery codes")
		made++
	}
	if sent := len(w.mails.All()) - before; made > 39 || made < 20 || sent != made {
		t.Errorf("%d changes and %d mails in a moment", made, sent)
	}
	want(t, b.post("/factors/totp/remove"), http.StatusOK, "Done") // what a thief has added can go
	w.Advance(61 * time.Minute)
	b = w.browser()
	b.signIn("bob") // another person is not held back
	want(t, b.get("/factors/totp/enroll"), http.StatusOK, "otpauth")
}
