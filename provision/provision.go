package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/internal/text"
)

var (
	// ErrIgnored is returned by WebhookConfig.Parse for an event that is not about a role, such as a test or another
	// product. The answer is 200, so that the sender does not send it again.
	ErrIgnored = errors.New("provision: the event is not for this webhook")

	// ErrRefused is the error for a delivery or a Grant that no retry makes right. The answer is 422.
	ErrRefused = errors.New("provision: refused")

	// ErrUnverified is returned by Users.Upsert if the only account with the address has not proved it. Nobody got a
	// role. The answer is 503, because the person may prove the address before the sender's next attempt.
	ErrUnverified = errors.New("provision: the account with this address has not proved it")
)

// A Grant is what an event gives: roles for the person who reads a mailbox.
type Grant struct {
	// ID is that of the delivery. Webhook sets it. A Users that is not safe to repeat in itself can keep it in the
	// transaction that gives the roles.
	ID string

	Email string   // Webhook brings it into canonical form
	Name  string   // to show; empty if unknown. Somebody typed it at the sender: it may be of another person
	Roles []string // to add. No role is taken away
	Time  time.Time
}

// Users is where the roles are given. Auth0 and Directory are two; a table of the application is another.
type Users interface {
	// Upsert adds the roles to the user who proved the address g.Email. It creates the user, or keeps the roles until
	// somebody proves the address. Calling it again with the same Grant changes nothing more: a delivery can be
	// applied a second time after a crash.
	//
	// The error is ErrRefused for a Grant that can never be applied, and ErrUnverified if the address belongs to an
	// account that has not proved it. Any other error means that the users are unavailable, and is answered with 503.
	Upsert(ctx context.Context, g Grant) (Result, error)
}

// A Result is what Upsert did.
type Result struct {
	UserID  string // empty if the roles wait for their owner
	Created bool   // the user is new
	Pending bool   // nobody has proved the address yet: the roles are kept
}

// Limits of a Grant.
const (
	maxRoles = 16
	maxRole  = 64  // bytes
	maxName  = 200 // bytes
)

// clean checks a Grant of Parse and brings it into canonical form. The roles must be of allowed.
func clean(g Grant, allowed []string) (Grant, error) {
	a, err := mailaddr.Parse(g.Email)
	if err != nil {
		return g, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	g.Email = a.String()
	if len(g.Roles) == 0 {
		return g, fmt.Errorf("%w: the grant has no roles", ErrRefused)
	}
	for _, role := range g.Roles {
		if !slices.Contains(allowed, role) {
			return g, fmt.Errorf("%w: WebhookConfig.Roles does not have a role of the grant", ErrRefused)
		}
	}
	g.Roles = slices.Compact(slices.Sorted(slices.Values(g.Roles)))
	if len(g.Name) > maxName || !utf8.ValidString(g.Name) || text.HasControl(g.Name) {
		g.Name = "" // a purchase does not fail because of a name
	}
	return g, nil
}

// checkRoles checks the roles of a configuration.
func checkRoles(roles []string) error {
	if len(roles) == 0 || len(roles) > maxRoles {
		return fmt.Errorf("list the roles that can be given, at most %d", maxRoles)
	}
	for _, role := range roles {
		if role == "" || len(role) > maxRole || !text.Visible(role) {
			return fmt.Errorf("role %q: use visible ASCII without spaces, at most %d bytes", role, maxRole)
		}
	}
	return nil
}

// SameAddress reports whether two texts are the same mail address in canonical form. It is for Confirm.
func SameAddress(a, b string) bool {
	x, err1 := mailaddr.Parse(a)
	y, err2 := mailaddr.Parse(b)
	return err1 == nil && err2 == nil && x == y
}
