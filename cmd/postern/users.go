package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

type usersGroup struct {
	List         usersList         `cmd:"" help:"List users, newest first."`
	Show         usersShow         `cmd:"" help:"Show one user."`
	Add          usersAdd          `cmd:"" help:"Add a user."`
	Disable      usersDisable      `cmd:"" help:"Keep a user from signing in, and end their sessions."`
	Enable       usersEnable       `cmd:"" help:"Let a disabled user sign in again."`
	Unlock       usersUnlock       `cmd:"" help:"Let a password work again after too many wrong ones."`
	Demand       usersDemand       `cmd:"" name:"demand-change" help:"Refuse the password of a user until it is changed."`
	ResetFactors usersResetFactors `cmd:"" help:"Take all second factors from a user who has lost them."`
	Roles        usersRoles        `cmd:"" help:"Show or change the roles of a user."`
	Invite       usersInvite       `cmd:"" help:"Make an invitation to sign up, and print its link."`
	Delete       usersDelete       `cmd:"" help:"Delete a user for good."`
	Import       usersImport       `cmd:"" help:"Take over the users of another system, or of another Postern."`
	Export       usersExport       `cmd:"" help:"Print users as JSON, one a line."`
}

// directoryFlags name the directory that a command is about: one pool of users in one store.
type directoryFlags struct {
	adminFlags
	Pool string `placeholder:"NAME" env:"POSTERN_POOL" help:"users.Config.Pool of the program; postern serve has none. Default: the issuer."`
}

// directory opens the directory. Roles are those that the command line names. kinds chooses the kinds of session that
// the command ends; nil: none.
func (f directoryFlags) directory(ctx context.Context, w world, kinds func(storePlace) []string, roles ...string) (*users.Directory, func(), error) {
	at, err := f.place(ctx, w)
	if err != nil {
		return nil, nil, err
	}
	var named []string
	if kinds != nil {
		named = kinds(at)
	}
	s, done, err := f.admin(ctx, w, at, named)
	if err != nil {
		return nil, nil, err
	}
	dir, err := f.over(s, at, roles)
	if err != nil {
		done()
		return nil, nil, err
	}
	return dir, done, nil
}

// over returns the directory of some sessions, with the roles that the command line names.
func (f directoryFlags) over(s *session.Sessions, at storePlace, named []string) (*users.Directory, error) {
	config := users.Config{Sessions: s, Pool: f.Pool, AllowUsernames: true}
	if at.config != nil {
		if given(f.Pool, "POSTERN_POOL") {
			return nil, usagef("the users of --config are in no pool: leave out --pool")
		}
		config.Pool, config.AllowUsernames, config.Reserved = "", at.config.Users.Usernames, at.config.Users.ReservedNames
	}
	var err error
	if config.Roles, err = at.roles(named); err != nil {
		return nil, err
	}
	dir, err := users.New(config)
	if err == nil {
		return dir, nil
	}
	if text, ofRole := strings.CutPrefix(err.Error(), "users: Config.Roles: "); ofRole {
		return nil, usagef("%s", text)
	}
	return nil, err
}

// byFlags say by what a user is named.
type byFlags struct {
	By        string `default:"any" enum:"any,id,address,username" placeholder:"WHAT" help:"What WHO is: id, address, username, or any of them. Default: any"`
	SubjectOf string `placeholder:"ISSUER" help:"WHO is the subject of an account at this provider, such as https://accounts.google.com."`
}

// whoFlags name one user.
type whoFlags struct {
	byFlags
	Who string `arg:"" help:"The user: the id, a verified mail address, or the username."`
}

// find returns the user. It never chooses between two: a username can look like the id of somebody else.
func (f whoFlags) find(ctx context.Context, dir *users.Directory) (users.User, error) {
	if f.SubjectOf != "" && f.By != "any" {
		return users.User{}, usagef("--by and --subject-of exclude each other: choose one")
	}
	var found []users.User
	var err error
	switch {
	case f.SubjectOf != "":
		found, err = search(ctx, dir, users.Query{Identity: &postern.Identity{Issuer: f.SubjectOf, Subject: f.Who}})
	case f.By == "any":
		found, err = search(ctx, dir, users.Query{Identifier: f.Who})
	case f.By == "address":
		found, err = search(ctx, dir, users.Query{Identity: &postern.Identity{Issuer: postern.MailIssuer, Subject: f.Who}})
	case f.By == "username":
		found, err = search(ctx, dir, users.Query{Identity: &postern.Identity{Issuer: postern.NameIssuer, Subject: f.Who}})
	default:
		var u users.User
		if u, err = dir.User(ctx, f.Who); err == nil {
			found = []users.User{u}
		} else if errors.Is(err, postern.ErrNoUser) {
			err = nil
		}
	}
	switch {
	case err != nil:
		return users.User{}, err
	case len(found) == 0:
		return users.User{}, f.nobody(dir)
	case len(found) > 1:
		return users.User{}, fmt.Errorf("%s is the id of one user and the username of another: choose with --by id or --by username", calm(f.Who))
	}
	return found[0], nil
}

func search(ctx context.Context, dir *users.Directory, q users.Query) ([]users.User, error) {
	page, err := dir.Search(ctx, q)
	return page.Users, err
}

// errNobody is what a command answers if there is no such user. It is postern.ErrNoUser.
type errNobody struct{ text string }

func (e errNobody) Error() string { return e.text }

// Is makes it match.
func (errNobody) Is(target error) bool { return target == postern.ErrNoUser }

func (f whoFlags) nobody(dir *users.Directory) error {
	who := calm(f.Who)
	if f.SubjectOf != "" {
		who += " of " + calm(f.SubjectOf)
	}
	return errNobody{fmt.Sprintf("there is no user %s in the pool %s, or no longer: check WHO, --issuer, --pool and --store. An address that is not verified finds nobody", who, calm(dir.Pool()))}
}

type usersList struct {
	directoryFlags
	Limit int  `default:"50" placeholder:"N" help:"How many users at most; 0 is all. Default: 50"`
	JSON  bool `name:"json" help:"Print JSON, one user a line, as users export."`
}

// Run lists users, the newest first.
func (c usersList) Run(ctx context.Context, w world) error {
	if c.Limit < 0 {
		return usagef("users list --limit: choose 1 or more, or 0 for all")
	}
	dir, done, err := c.directory(ctx, w, nil)
	if err != nil {
		return err
	}
	defer done()
	now, n, more := w.now(), 0, false
	t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
	for u, err := range dir.All(ctx) {
		if err != nil {
			t.Flush() // what was read
			return err
		}
		if more = c.Limit > 0 && n == c.Limit; more {
			break
		}
		if n++; c.JSON {
			if err := exportOne(ctx, w, dir, u.ID); err != nil {
				return err
			}
			continue
		}
		if n == 1 {
			fmt.Fprintln(t, "USER\tNAME\tADDRESS\tUSERNAME\tROLES\tCREATED\tLAST SIGN-IN\tSTATE")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", calm(u.ID), orDash(u.Name), firstAddress(u), orDash(u.Username), orDash(strings.Join(u.Roles, " ")),
			inWords(u.Created, now), orNever(u.LastSignIn, now), stateOf(u))
		if n%200 == 0 { // one page of All: a long list shows early
			t.Flush()
		}
	}
	switch {
	case c.JSON:
		return nil
	case n == 0:
		_, err = fmt.Fprintf(w.out, "No user in the pool %s.\n", calm(dir.Pool()))
	case more:
		fmt.Fprintf(t, "\nThere are more: choose --limit, or 0 for all.\n")
		err = t.Flush()
	default:
		err = t.Flush()
	}
	return err
}

// firstAddress returns the address of a user for a list: a verified one, or else a note in parentheses.
func firstAddress(u users.User) string {
	if a, ok := u.Email(); ok {
		return calm(a)
	}
	for _, a := range u.Addresses {
		if a.Type == "email" {
			return "(" + calm(a.Value) + ")"
		}
	}
	return "-"
}

func orNever(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return inWords(t, now)
}

func stateOf(u users.User) string {
	switch {
	case u.Disabled == nil && u.Frozen:
		return "frozen"
	case u.Disabled == nil:
		return "active"
	case u.Disabled.Until.IsZero():
		return "disabled"
	}
	return "disabled until " + stamp(u.Disabled.Until)
}

type usersShow struct {
	directoryFlags
	whoFlags
	JSON bool `name:"json" help:"Print JSON, as users export."`
}

// Run shows one user.
func (c usersShow) Run(ctx context.Context, w world) error {
	dir, done, err := c.directory(ctx, w, nil)
	if err != nil {
		return err
	}
	defer done()
	u, err := c.find(ctx, dir)
	if err != nil {
		return err
	}
	if c.JSON {
		return dir.Export(ctx, w.out, u.ID)
	}
	now := w.now()
	t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
	line := func(name, value string) { fmt.Fprintf(t, "%s\t%s\n", name, value) }
	when := func(name string, at time.Time) {
		if at.IsZero() {
			line(name, "-")
			return
		}
		line(name, inWords(at, now)+" ("+stamp(at)+")")
	}
	line("User", calm(u.ID))
	line("State", stateOf(u))
	if u.Disabled != nil {
		line("Why", orDash(u.Disabled.Why))
	}
	line("Name", orDash(u.Name))
	line("Username", orDash(u.Username))
	for _, a := range u.Addresses {
		state := "not verified"
		if a.Verified {
			state = "verified"
		}
		line("Address", fmt.Sprintf("%s (%s, %s)", calm(a.Value), calm(a.Type), state))
	}
	for _, f := range u.Former {
		line("Former address", fmt.Sprintf("%s (kept from others until %s)", calm(f.Address), stamp(f.Until)))
	}
	for _, i := range u.Identities {
		line("Identity", calm(i.Issuer)+" "+calm(i.Subject))
	}
	line("Roles", orDash(strings.Join(u.Roles, " ")))
	line("Locale", orDash(u.Locale))
	line("Picture", orDash(u.Picture))
	line("Data", orDash(string(u.Data)))
	line("Profile", orDash(string(u.Profile)))
	when("Created", u.Created)
	when("Changed", u.Updated)
	when("Last sign-in", u.LastSignIn)
	return t.Flush()
}
