package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/users"
)

// A legacyUser is a row of the handbook's table. Password is the SHA-256 of password, SALT, username and password.
type legacyUser struct {
	Username string    `json:"username"`
	Password string    `json:"password"` // hexadecimal
	Created  time.Time `json:"createdAt"`
}

func (a *app) importFile(ctx context.Context, name, salt string) (users.Report, error) {
	f, err := os.Open(name)
	if err != nil {
		return users.Report{}, err
	}
	defer f.Close()
	return a.importLegacy(ctx, f, salt)
}

// importLegacy takes over users, one JSON object a line. Their SHA-256 is hashed with argon2id and forgotten. At the
// first login the password itself is hashed, and replaces it. An import can be repeated.
func (a *app) importLegacy(ctx context.Context, r io.Reader, salt string) (users.Report, error) {
	return a.users.Import(ctx, "serverless-handbook", a.readLegacy(ctx, json.NewDecoder(r), salt), users.ImportOptions{})
}

func (a *app) readLegacy(ctx context.Context, d *json.Decoder, salt string) iter.Seq2[users.Imported, error] {
	return func(yield func(users.Imported, error) bool) {
		for {
			var u legacyUser
			err := d.Decode(&u)
			if errors.Is(err, io.EOF) {
				return
			}
			var encoded string
			if err == nil {
				encoded, err = a.wrap(ctx, u, salt)
			}
			in := users.Imported{ID: u.Username, Username: u.Username, Created: u.Created, Passwords: 1, Changes: a.row(encoded)}
			if !yield(in, err) || err != nil {
				return
			}
		}
	}
}

func (a *app) wrap(ctx context.Context, u legacyUser, salt string) (string, error) {
	sum, err := hex.DecodeString(u.Password)
	if err != nil {
		return "", fmt.Errorf("the password of %q is not hexadecimal", u.Username)
	}
	return a.hasher.Wrap(ctx, hash.Digest{Algorithm: "sha256", Sum: sum, After: []byte(salt + u.Username), Again: true})
}
