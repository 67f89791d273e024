package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/users"
)

type usersAdd struct {
	directoryFlags
	Email    string   `placeholder:"ADDRESS" help:"A mail address."`
	Verified bool     `help:"The address is verified: a person who receives its mail can sign in as this user. Use it only if you have proof that it belongs to the person."`
	Username string   `placeholder:"NAME" help:"A username, for a program with users.Config.AllowUsernames."`
	Name     string   `placeholder:"TEXT" help:"The name that is shown."`
	Role     []string `placeholder:"ROLE" help:"A role of users.Config.Roles of the program; may be given several times."`
	JSON     bool     `name:"json" help:"Print the user as JSON, as users export."`
}

// Help is shown below the usage line.
func (usersAdd) Help() string {
	return `An address that you type is not verified by that: it is kept as a note, by which nobody is found, and the person can still sign up with it as a new user. To let a person in, invite them instead (postern users invite): the address is then proven by its owner. With --verified you say that you have the proof already.

No password is set. A user with a verified address sets one by "forgot password", or signs in by mail.`
}

// Run adds a user.
func (c usersAdd) Run(ctx context.Context, w world) error {
	switch {
	case c.Email == "" && c.Username == "":
		return usagef("users add: give --email or --username")
	case c.Verified && c.Email == "":
		return usagef("users add: --verified is about the address of --email: give it")
	}
	if c.Email != "" {
		if _, err := mailaddr.Parse(c.Email); err != nil { // an import leaves out a note that is not an address
			return usagef("users add --email: %s", strings.TrimPrefix(err.Error(), "mailaddr: "))
		}
	}
	dir, done, err := c.directory(ctx, w, nil, c.Role...)
	if err != nil {
		return err
	}
	defer done()
	// An import of one user is the only way to make one who has proven nothing yet.
	one := users.Imported{ID: rand.Text(), Name: c.Name, Username: c.Username, Roles: c.Role}
	if c.Email != "" {
		one.Addresses = []postern.Address{{Type: "email", Value: c.Email, Verified: c.Verified}}
	}
	var result users.ImportResult
	_, err = dir.Import(ctx, "postern users add", only(one), users.ImportOptions{Each: func(r users.ImportResult) { result = r }})
	if err != nil {
		return err
	}
	if result.Outcome != users.Created {
		return fmt.Errorf("no user was added: %s", result.Reason)
	}
	u, err := dir.User(ctx, result.UserID)
	if err != nil {
		return err
	}
	if c.JSON {
		return dir.Export(ctx, w.out, u.ID)
	}
	fmt.Fprintf(w.out, "%s was added.\n", u.ID)
	if !c.Verified {
		fmt.Fprintf(w.out, "Nobody can sign in as this user yet, because nothing is proven: no address is verified, and a username needs a password.\n")
	}
	return nil
}

// only returns a sequence of one user.
func only(u users.Imported) iter.Seq2[users.Imported, error] {
	return func(yield func(users.Imported, error) bool) { yield(u, nil) }
}

type usersDisable struct {
	directoryFlags
	kindFlag
	whoFlags
	Why   string  `placeholder:"TEXT" help:"The reason, for administrators."`
	Until *moment `placeholder:"TIME" help:"When the user is enabled again, such as 2026-01-31T12:00:00Z. Default: when you enable them."`
}

// Help is shown below the usage line.
func (usersDisable) Help() string {
	return `The user cannot sign in, and their sessions end: at once where the program asks the store (session.CheckStore), elsewhere when the access token expires (5 minutes, unless KindConfig.Access says otherwise). To change the reason or the time, disable again.`
}

// Run disables a user.
func (c usersDisable) Run(ctx context.Context, w world) error {
	var until time.Time
	if c.Until != nil {
		if until = time.Time(*c.Until); !until.After(w.now()) {
			return usagef("users disable --until: %s has passed already", stamp(until))
		}
	}
	return c.change(ctx, w, c.whoFlags, c.kinds, func(dir *users.Directory, u users.User) (string, error) {
		end := ""
		if !until.IsZero() {
			end = " until " + stamp(until)
		}
		return "is disabled" + end + ". Their sessions have ended; access tokens expire by themselves.", dir.Disable(ctx, u.ID, c.Why, until, users.Extra{})
	})
}

// change finds a user, changes them and prints what changed.
func (f directoryFlags) change(ctx context.Context, w world, who whoFlags, kinds func(storePlace) []string, do func(*users.Directory, users.User) (string, error)) error {
	dir, done, err := f.directory(ctx, w, kinds)
	if err != nil {
		return err
	}
	defer done()
	u, err := who.find(ctx, dir)
	if err != nil {
		return err
	}
	text, err := do(dir, u)
	if errors.Is(err, postern.ErrNoUser) {
		return who.nobody(dir)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.out, "%s %s\n", titled(u), text)
	return err
}

// titled returns the id of a user, with what a person knows them by.
func titled(u users.User) string {
	by := u.Username
	if a, ok := u.Email(); ok {
		by = a
	}
	if by == "" {
		return calm(u.ID)
	}
	return calm(u.ID) + " (" + calm(by) + ")"
}

type usersEnable struct {
	directoryFlags
	whoFlags
}

// Run enables a user.
func (c usersEnable) Run(ctx context.Context, w world) error {
	return c.change(ctx, w, c.whoFlags, nil, func(dir *users.Directory, u users.User) (string, error) {
		if u.Disabled == nil && !u.Frozen {
			return "was not disabled.", nil
		}
		return "can sign in again.", dir.Enable(ctx, u.ID, users.Extra{})
	})
}

type usersUnlock struct {
	directoryFlags
	whoFlags
}

// Run unlocks the password of a user.
func (c usersUnlock) Run(ctx context.Context, w world) error {
	return c.change(ctx, w, c.whoFlags, nil, func(dir *users.Directory, u users.User) (string, error) {
		return "has no locked password.", dir.UnlockPassword(ctx, u.ID, users.Extra{})
	})
}

type usersDemand struct {
	directoryFlags
	whoFlags
}

// Help is shown below the usage line.
func (usersDemand) Help() string {
	return `The sessions of the user go on. At the next sign-in the password is refused until it is reset by mail, or changed in a session. The user needs a password and a verified address.`
}

// Run demands that the password of a user is changed.
func (c usersDemand) Run(ctx context.Context, w world) error {
	return c.change(ctx, w, c.whoFlags, nil, func(dir *users.Directory, u users.User) (string, error) {
		return "must change the password.", dir.DemandPasswordChange(ctx, u.ID, users.Extra{})
	})
}

type usersResetFactors struct {
	directoryFlags
	kindFlag
	whoFlags
	Passkeys bool `help:"Remove the passkeys too, for a person who has lost all devices."`
	Yes      bool `help:"Reset without a question. Without it nothing is changed."`
}

// Help is shown below the usage line.
func (usersResetFactors) Help() string {
	return `For a person who has lost the app and the recovery codes. Their sessions end, and remembered browsers are forgotten. Passwords stay, and without --passkeys passkeys too. Make sure first that it is the person who asks: with the first proof alone anybody can then sign in. This command mails no notice.`
}

// Run resets the factors of a user.
func (c usersResetFactors) Run(ctx context.Context, w world) error {
	return c.change(ctx, w, c.whoFlags, c.kinds, func(dir *users.Directory, u users.User) (string, error) {
		if !c.Yes {
			return "", usagef("users reset-factors: this takes all second factors from %s: add --yes to do it", titled(u))
		}
		reset := dir.ResetFactors
		if c.Passkeys {
			reset = dir.RemovePasskeys
		}
		return "has no second factor any more. Their sessions have ended; access tokens expire by themselves.", reset(ctx, u.ID, users.Extra{})
	})
}

type usersRoles struct {
	directoryFlags
	whoFlags
	Set    []string `placeholder:"ROLE" help:"Replace all roles by these; may be given several times."`
	Add    []string `placeholder:"ROLE" help:"Give a role, beside those that the user has; may be given several times."`
	Remove []string `placeholder:"ROLE" help:"Take a role away; may be given several times."`
	Clear  bool     `help:"Take all roles away."`
	JSON   bool     `name:"json" help:"Print JSON."`
}

// Help is shown below the usage line.
func (usersRoles) Help() string {
	return `Without a flag it shows the roles. A change has its effect at the next refresh of each session, and at once where the program asks the store (session.CheckStore).

The roles of a program are in its code (users.Config.Roles), which this command does not know: check the spelling. A role that the program does not have gives no scopes.`
}

// Run shows or changes roles.
func (c usersRoles) Run(ctx context.Context, w world) error {
	replaces := len(c.Set) > 0
	if replaces && c.Clear || (replaces || c.Clear) && len(c.Add)+len(c.Remove) > 0 {
		return usagef("users roles: --set and --clear replace all roles: give one of them alone, or --add and --remove")
	}
	if both := slices.IndexFunc(c.Add, func(role string) bool { return slices.Contains(c.Remove, role) }); both >= 0 {
		return usagef("users roles: %s is in --add and in --remove: choose one", calm(c.Add[both]))
	}
	dir, done, err := c.directory(ctx, w, nil, slices.Concat(c.Set, c.Add)...)
	if err != nil {
		return err
	}
	defer done()
	u, err := c.find(ctx, dir)
	if err != nil {
		return err
	}
	if replaces || c.Clear {
		err = dir.SetRoles(ctx, u.ID, c.Set, users.Extra{})
	}
	if err == nil && len(c.Remove) > 0 { // less before more: a failure between leaves fewer rights
		err = dir.RemoveRoles(ctx, u.ID, c.Remove, users.Extra{})
	}
	if err == nil && len(c.Add) > 0 {
		err = dir.AddRolesWith(ctx, u.ID, c.Add, users.Extra{})
	}
	if err == nil {
		u, err = dir.User(ctx, u.ID)
	}
	switch {
	case errors.Is(err, postern.ErrNoUser):
		return c.nobody(dir)
	case err != nil:
		return err
	case c.JSON:
		return json.NewEncoder(w.out).Encode(map[string]any{"id": u.ID, "roles": slices.Concat([]string{}, u.Roles)})
	case len(u.Roles) == 0:
		_, err = fmt.Fprintf(w.out, "%s has no role.\n", titled(u))
	default:
		_, err = fmt.Fprintf(w.out, "%s has the roles %s.\n", titled(u), calm(strings.Join(u.Roles, ", ")))
	}
	return err
}

type usersDelete struct {
	directoryFlags
	kindFlag
	whoFlags
	Yes bool `help:"Delete without a question. Without it nothing is deleted."`
}

// Help is shown below the usage line.
func (usersDelete) Help() string {
	return `Their sessions end, addresses and identities are free for others, and everything that is stored of the user is removed. It cannot be undone: to keep a person out for a while, disable them. A deletion that was interrupted goes on with the same command and the id.`
}

// Run deletes a user.
func (c usersDelete) Run(ctx context.Context, w world) error {
	dir, done, err := c.directory(ctx, w, c.kinds)
	if err != nil {
		return err
	}
	defer done()
	u, err := c.find(ctx, dir)
	if errors.Is(err, postern.ErrNoUser) && c.Yes && c.SubjectOf == "" && (c.By == "any" || c.By == "id") {
		return c.again(ctx, w, dir, err)
	}
	switch {
	case err != nil:
		return err
	case !c.Yes:
		return usagef("users delete: this deletes %s for good: add --yes to do it", titled(u))
	}
	if err := dir.Delete(ctx, u.ID, users.Extra{}); err != nil {
		return fmt.Errorf("%s: the deletion is not finished: %w. Run it again: postern users delete --by id --yes %s", titled(u), err, calm(u.ID))
	}
	_, err = fmt.Fprintf(w.out, "%s is deleted.\n", titled(u))
	return err
}

// again finishes a deletion that was interrupted. Only the id of such a user is known.
func (c usersDelete) again(ctx context.Context, w world, dir *users.Directory, nobody error) error {
	err := dir.Delete(ctx, c.Who, users.Extra{})
	if errors.Is(err, postern.ErrNoUser) {
		return nobody
	}
	if err == nil {
		_, err = fmt.Fprintf(w.out, "%s was deleted before; nothing is left.\n", calm(c.Who))
	}
	return err
}
