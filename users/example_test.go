package users_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// directory returns a directory in memory, for the examples.
func directory() *users.Directory {
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: new(keys.MemoryVault)})
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.New(session.Config{Issuer: "https://api.example.com/auth", Audience: "api", Keys: ring, Store: &store.Memory{}})
	if err != nil {
		log.Fatal(err)
	}
	dir, err := users.New(users.Config{
		Sessions: sessions,
		Roles:    users.Roles{"editor": {"posts:read", "posts:write"}, "reader": {"posts:read"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	return dir
}

func Example() {
	ctx := context.Background()
	dir := directory()

	// A sign-up, after the address was verified.
	ada := postern.Identity{Issuer: postern.MailIssuer, Subject: "ada@example.com"}
	id, err := dir.Create(ctx, postern.SignUp{Identity: ada, Name: "Ada"})
	if err != nil {
		log.Fatal(err)
	}
	if err := dir.SetRoles(ctx, id, []string{"editor"}, users.Extra{}); err != nil {
		log.Fatal(err)
	}

	// A sign-in.
	found, err := dir.Find(ctx, ada)
	if err != nil {
		log.Fatal(err)
	}
	person, err := dir.Get(ctx, found)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(found == id, person.Name, strings.Join(person.Roles, ", "), "may", strings.Join(person.Scopes, ", "))

	// The address belongs to Ada now.
	_, err = dir.Create(ctx, postern.SignUp{Identity: ada})
	fmt.Println(errors.Is(err, postern.ErrTaken))
	// Output:
	// true Ada editor may posts:read, posts:write
	// true
}

func ExampleDirectory_RemoveRoles() {
	ctx := context.Background()
	dir := directory()
	ada := postern.Identity{Issuer: postern.MailIssuer, Subject: "ada@example.com"}
	id, err := dir.Create(ctx, postern.SignUp{Identity: ada, Roles: []string{"editor", "reader"}})
	if err != nil {
		log.Fatal(err)
	}
	if err := dir.RemoveRoles(ctx, id, []string{"editor"}, users.Extra{}); err != nil {
		log.Fatal(err)
	}
	person, err := dir.Get(ctx, id)
	fmt.Println(person.Roles, person.Scopes, err)
	// Output: [reader] [posts:read] <nil>
}

func ExampleDirectory_Update() {
	ctx := context.Background()
	dir := directory()
	id, _ := dir.Create(ctx, postern.SignUp{Identity: postern.Identity{Issuer: postern.MailIssuer, Subject: "ada@example.com"}})
	user, err := dir.User(ctx, id)
	if err != nil {
		log.Fatal(err)
	}
	name := "Ada Lovelace"
	user, err = dir.Update(ctx, id, user.Version, users.Fields{Name: &name})
	fmt.Println(user.Name, err)

	_, err = dir.Update(ctx, id, "an older version", users.Fields{Name: &name})
	fmt.Println(errors.Is(err, users.ErrVersion))
	// Output:
	// Ada Lovelace <nil>
	// true
}

func ExampleDirectory_Unlink() {
	ctx := context.Background()
	dir := directory()
	google := postern.Identity{Issuer: "https://accounts.google.com", Subject: "1234"}
	id, _ := dir.Create(ctx, postern.SignUp{Identity: google})
	fmt.Println(errors.Is(dir.Unlink(ctx, id, google), users.ErrLastWay))

	if err := dir.AddAddress(ctx, id, "ada@example.com", users.Extra{}); err != nil { // after it was verified
		log.Fatal(err)
	}
	fmt.Println(dir.Unlink(ctx, id, google))
	// Output:
	// true
	// <nil>
}

func ExampleDirectory_Search() {
	ctx := context.Background()
	dir := directory()
	for i := range 5 {
		id := postern.Identity{Issuer: postern.MailIssuer, Subject: fmt.Sprintf("user%d@example.com", i)}
		if _, err := dir.Create(ctx, postern.SignUp{Identity: id}); err != nil {
			log.Fatal(err)
		}
	}
	q := users.Query{Actor: "the administrator who asks", Limit: 2}
	for {
		page, err := dir.Search(ctx, q)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(page.Users), "users")
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	page, err := dir.Search(ctx, users.Query{Identifier: "user3@example.com"})
	fmt.Println(len(page.Users), "user", err)
	// Output:
	// 2 users
	// 2 users
	// 1 users
	// 1 user <nil>
}

func ExampleDirectory_Import() {
	ctx := context.Background()
	dir := directory()
	records := func(yield func(users.Imported, error) bool) {
		_ = yield(users.Imported{ID: "17", Name: "Ada", Addresses: []postern.Address{{Type: "email", Value: "ada@example.com", Verified: true}}}, nil) &&
			yield(users.Imported{ID: "18", Name: "Ada again", Addresses: []postern.Address{{Type: "email", Value: "ADA@example.com", Verified: true}}}, nil)
	}
	for range 2 { // the second time, nobody is made twice
		report, err := dir.Import(ctx, "our old system", records, users.ImportOptions{Workers: 1})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("created", report.Created, "skipped", report.Skipped, "refused", report.Refused)
		for _, p := range report.Problems {
			fmt.Println(p.ID, p.Reason)
		}
	}
	// Output:
	// created 1 skipped 0 refused 1
	// 18 The address belongs to another user.
	// created 0 skipped 1 refused 1
	// 18 The address belongs to another user.
}

func ExampleDirectory_ExportAll() {
	ctx := context.Background()
	dir := directory()
	if _, err := dir.Create(ctx, postern.SignUp{Identity: postern.Identity{Issuer: postern.MailIssuer, Subject: "ada@example.com"}, Name: "Ada"}); err != nil {
		log.Fatal(err)
	}
	var lines bytes.Buffer // a file, in a program
	if err := dir.ExportAll(ctx, &lines); err != nil {
		log.Fatal(err)
	}
	_, after, _ := bytes.Cut(lines.Bytes(), []byte(`,"name"`))
	before, _, _ := bytes.Cut(after, []byte(`,"created"`))
	fmt.Fprintf(os.Stdout, "%s\n", before)
	// Output:
	// :"Ada","addresses":[{"type":"email","value":"ada@example.com","verified":true}]
}
