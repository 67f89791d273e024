package main

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"net/http"
	"strconv"

	"github.com/posternauth/postern"
)

//go:embed schema.sql
var schema string

// A Person is one row of the table people.
type Person struct {
	ID      int64
	Email   string // proven by the provider; empty if it proves none
	Name    string // chosen by the person
	Blocked bool
}

// Subject identifies the person in sessions. It is the number of the row, so it stays the same when the person changes
// the address or, later, the provider.
func (p Person) Subject() string { return strconv.FormatInt(p.ID, 10) }

// A Table keeps people in Postgres.
type Table struct{ DB *sql.DB }

// Create creates the table if it does not exist.
func (t Table) Create(ctx context.Context) error {
	_, err := t.DB.ExecContext(ctx, schema)
	return err
}

// FindOrCreate returns the person of a proven identity, and creates the row at the first sign-in.
//
// One statement does both, so that two first sign-ins at the same moment make one row. The key is issuer and subject:
// these two never change, and no other account has them. The address is not a key. A person may change it, two
// providers may report the same one, and at some providers anybody may claim it.
func (t Table) FindOrCreate(ctx context.Context, i postern.Identity) (Person, error) {
	p := Person{Name: i.Name}
	p.Email, _ = i.Email()
	err := t.DB.QueryRowContext(ctx, `
		INSERT INTO people (issuer, subject, email, name) VALUES ($1, $2, nullif($3, ''), $4)
		ON CONFLICT (issuer, subject) DO UPDATE
		SET seen_at = now(), email = coalesce(excluded.email, people.email), name = coalesce(nullif(excluded.name, ''), people.name)
		RETURNING id, coalesce(email, ''), name, blocked`,
		i.Issuer, i.Subject, p.Email, p.Name).Scan(&p.ID, &p.Email, &p.Name, &p.Blocked)
	if err != nil {
		return Person{}, fmt.Errorf("finding or creating a person: %w", err)
	}
	return p, nil
}

// Get returns the person whom a session is about. The error is sql.ErrNoRows if the row was deleted since.
func (t Table) Get(ctx context.Context, subject string) (Person, error) {
	id, err := strconv.ParseInt(subject, 10, 64)
	if err != nil {
		return Person{}, fmt.Errorf("the subject of a session is not a row of people: %w", err)
	}
	p := Person{ID: id}
	err = t.DB.QueryRowContext(ctx, `SELECT coalesce(email, ''), name, blocked FROM people WHERE id = $1`, id).Scan(&p.Email, &p.Name, &p.Blocked)
	return p, err
}

// Block refuses the person's next sign-ins. The caller ends the sessions that exist.
func (t Table) Block(ctx context.Context, id int64) error {
	_, err := t.DB.ExecContext(ctx, `UPDATE people SET blocked = true WHERE id = $1`, id)
	return err
}

func errBlocked() error {
	return &postern.Error{Status: http.StatusForbidden, Code: "blocked", Text: "This account is blocked. Please write to support@example.com."}
}
