package main

import (
	"context"
	"errors"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/users"
)

type usersExport struct {
	directoryFlags
	byFlags
	Who string `arg:"" optional:"" help:"The user: the id, a verified mail address, or the username. Default: all users, newest first."`
}

// Help is shown below the usage line.
func (usersExport) Help() string {
	return `A line has what the directory knows of a person, and no credential: no password, no session. It is personal data: keep the file from others.

  postern users export > users.ndjson
  POSTERN_STORE="$NEW_STORE" postern users import users.ndjson`
}

// Run prints users as lines of JSON.
func (c usersExport) Run(ctx context.Context, w world) error {
	if c.Who == "" && (c.SubjectOf != "" || c.By != "any") {
		return usagef("users export: --by and --subject-of need WHO")
	}
	dir, done, err := c.directory(ctx, w, nil)
	if err != nil {
		return err
	}
	defer done()
	if c.Who == "" {
		return dir.ExportAll(ctx, w.out)
	}
	u, err := whoFlags{c.byFlags, c.Who}.find(ctx, dir)
	if err != nil {
		return err
	}
	return dir.Export(ctx, w.out, u.ID)
}

// exportOne prints one user of a list. A user who was deleted meanwhile is left out.
func exportOne(ctx context.Context, w world, dir *users.Directory, id string) error {
	if err := dir.Export(ctx, w.out, id); !errors.Is(err, postern.ErrNoUser) {
		return err
	}
	return nil
}
