package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

type usersInvite struct {
	directoryFlags
	vaultNames
	Role    []string `placeholder:"ROLE" help:"A role of users.Config.Roles of the program, for the new user; may be given several times."`
	JSON    bool     `name:"json" help:"Print JSON."`
	Address string   `arg:"" help:"The mail address of the person."`
}

// Help is shown below the usage line.
func (usersInvite) Help() string {
	return `No mail is sent: the link is printed, once, and the store keeps only a hash of it. Send it to the person. It works for seven days, once, and only together with a proof that the person owns the address. A person who has an account with this address gets the roles.

The invitation is sealed with a master secret of the program, so the command needs the keys of the program (--vault, as for postern keys) beside its store. --config names both. The program needs Config.Session.`
}

// Run makes an invitation.
func (c usersInvite) Run(ctx context.Context, w world) error {
	auth, done, err := c.auth(ctx, w)
	if err != nil {
		return err
	}
	defer done()
	link, err := auth.Invite(ctx, postern.Invitation{Address: c.Address, Roles: c.Role})
	switch {
	case errors.Is(err, postern.ErrInvalid):
		return usagef("users invite: %s is not one mail address", calm(c.Address))
	case err != nil:
		return err
	case c.JSON:
		return json.NewEncoder(w.out).Encode(map[string]any{"address": c.Address, "roles": append([]string{}, c.Role...), "link": link})
	}
	_, err = fmt.Fprintf(w.out, "%s\n\nSend this link to %s. It works for seven days, once, and is not shown again.\n", link, calm(c.Address))
	return err
}

// auth opens the handler of the program as far as an invitation needs it: its issuer, its store and its secrets.
func (c usersInvite) auth(ctx context.Context, w world) (*postern.Auth, func(), error) {
	at, err := c.place(ctx, w)
	if err != nil {
		return nil, nil, err
	}
	named, closeStore, err := c.admin(ctx, w, at, nil)
	if err != nil {
		return nil, nil, err
	}
	ring, closeVault, err := vaultFlags{c.dataFlag, c.vaultNames, c.Config}.ring(ctx, w)
	if err != nil {
		closeStore()
		return nil, nil, err
	}
	done := func() { closeVault(); closeStore() }
	auth, err := c.handler(w, at, named, ring)
	if err != nil {
		done()
		return nil, nil, err
	}
	return auth, done, nil
}

func (c usersInvite) handler(w world, at storePlace, named *session.Sessions, ring *keys.Ring) (*postern.Auth, error) {
	quiet := slog.New(slog.DiscardHandler) // a command prints its error
	s, err := session.New(session.Config{Issuer: named.Issuer(), Audience: "postern", Keys: ring, Store: named.Store(), Now: w.now,
		DevelopmentHosts: at.developmentHosts(), Logger: quiet})
	if err != nil {
		return nil, err
	}
	dir, err := c.over(s, at, c.Role)
	if err != nil {
		return nil, err
	}
	kind := postern.NewKind(s, dir, session.KindConfig[struct{}]{Name: "user"}, func(postern.Person) struct{} { return struct{}{} })
	return postern.New(postern.Config{
		Sessions: s, Session: kind, Redirects: []string{"/"}, Logger: quiet, Providers: map[string]postern.Provider{"none": noProvider{}},
	})
}

// noProvider stands for the providers of the program, which this command does not know and does not need.
type noProvider struct{}

// Handler implements postern.Provider.
func (noProvider) Handler(*postern.Flow) http.Handler { return http.HandlerFunc(http.NotFound) }
