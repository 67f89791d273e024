package passkey

import (
	"errors"
	"net/http"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/store"
)

func refusal(status int, code, text string) *postern.Error {
	return &postern.Error{Status: status, Code: code, Text: text}
}

var (
	errNone = refusal(http.StatusBadRequest, "no_passkey", "Your browser sent no passkey. Passkeys need JavaScript and a browser that knows them. Please use another way.")

	errCeremony = refusal(http.StatusBadRequest, "expired_passkey", "This took longer than five minutes, or was begun for something else. Please try again.")

	errUnknown = refusal(http.StatusBadRequest, "unknown_passkey", "This passkey is not known here any more. Remove it from your device, and use another one or another way.")

	errUnverified = refusal(http.StatusBadRequest, "passkey_unverified", "The passkey did not verify that it is you, by a finger, a face or a PIN. Please set that up on the device, or use another way.")

	errOther = refusal(http.StatusBadRequest, "other_passkey", "This passkey belongs to another account. Please use one of this account.")

	errTaken = refusal(http.StatusConflict, "passkey_taken", "This passkey is registered already.")

	errMany = refusal(http.StatusConflict, "too_many_passkeys", "An account has at most 20 passkeys. Remove one that you do not use any more first.")

	errLast = refusal(http.StatusConflict, "last_way", "This passkey is the only way to sign in to this account. Add another way first.")

	errGone = refusal(http.StatusNotFound, "not_found", "There is no such passkey. Please look at the list again.")

	errName = refusal(http.StatusBadRequest, "invalid_name", "A name has 1 to 64 characters.")

	errChanged = refusal(http.StatusConflict, "changed", "Something about this passkey was changed at the same time. Please look at it and try again.")
)

// invalid refuses what an authenticator or a browser sent. The cause is for the log.
func invalid(cause error) error {
	e := refusal(http.StatusBadRequest, "invalid_passkey", "This passkey could not be checked. Please try again, or use another way.")
	e.Err = cause
	return e
}

// unavailable is the error for a store or for secrets that do not answer.
func unavailable(err error) error {
	var refused *postern.Error
	if errors.As(err, &refused) {
		return err
	}
	return &postern.Error{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", RetryAfter: 5 * time.Second, Err: err,
		Text: "This is not possible at this moment. Please try again shortly."}
}

// written is the error for a write that failed.
func written(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return errChanged
	}
	return unavailable(err)
}
