package hash

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrEmpty refuses a password without a byte.
	ErrEmpty = errors.New("hash: the password is empty")

	// ErrTooLong refuses a password of more than MaxBytes bytes, as it was sent or in form NFC.
	ErrTooLong = fmt.Errorf("hash: the password has more than %d bytes", MaxBytes)

	// ErrText refuses a password that is not valid UTF-8.
	ErrText = errors.New("hash: the password is not valid UTF-8 text")

	// ErrEncoded is for a stored or imported string that this package does not read. A row that holds such a string is
	// damaged, or it comes from a format that was never imported: sign-in should fail with 503, not with "wrong
	// password".
	ErrEncoded = errors.New("hash: the encoded password is not in a format that this package reads")

	// ErrCost refuses a stored or imported string whose cost, salt or length is beyond the limits of this package, or
	// whose hash needs more memory than Config.MemoryMiB allows. It is returned before any work is done.
	ErrCost = errors.New("hash: the encoded password is outside the limits for cost and length")

	// ErrBusy matches every [BusyError].
	ErrBusy = errors.New("hash: too many passwords are being hashed now")
)

// BusyError refuses a call because the queue is full, or the share of its network is. Nothing was computed. A server
// answers with status 503 and the header Retry-After.
type BusyError struct {
	RetryAfter time.Duration // whole seconds, at least one
}

// Error returns a text for logs.
func (e *BusyError) Error() string {
	return fmt.Sprintf("%v: try again after %v", ErrBusy, e.RetryAfter)
}

// Is reports whether target is ErrBusy.
func (e *BusyError) Is(target error) bool { return target == ErrBusy }
