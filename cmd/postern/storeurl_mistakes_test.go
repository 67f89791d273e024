package main

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"
)

// TestStore_URLMistakes: a wrong URL is named as such, and its password stays out of the error.
func TestStore_URLMistakes(t *testing.T) {
	for url, c := range map[string]struct {
		status int
		says   string
	}{
		"dynamodb:":                         {2, "dynamodb:TABLE"},
		"postgres://a:secret@host:port/x":   {2, "not a URL of Postgres"},
		"postgresql://a:secret@host:port/x": {2, "not a URL of Postgres"},

		"postgresql://u:pre@secret@127.0.0.1:1/db?a=%zz":         {2, "not a URL of Postgres"},
		"postgres://u:pre@secret@127.0.0.1:1/db":                 {2, "not a URL of Postgres"},
		"postgres://u:pre%secret@127.0.0.1:1/db":                 {2, "not a URL of Postgres"},
		"postgres://u:pre/secret@127.0.0.1:1/db":                 {2, "not a URL of Postgres"},
		"postgres://u:/secret@127.0.0.1:1/db":                    {2, "not a URL of Postgres"},
		"postgres://u:12/secret@127.0.0.1:1/db":                  {2, "not a URL of Postgres"},
		"postgres://u:12?secret@127.0.0.1:1/db":                  {2, "not a URL of Postgres"},
		"postgres://u:#secret@127.0.0.1:1/db":                    {2, "not a URL of Postgres"},
		"postgres://u:pre?secret@127.0.0.1:1/db":                 {2, "not a URL of Postgres"},
		"postgres://u:pre#secret@127.0.0.1:1/db":                 {2, "not a URL of Postgres"},
		"postgres://u:pre secret@127.0.0.1:1/db":                 {2, "not a URL of Postgres"},
		"postgres:u:secret@127.0.0.1:1/db":                       {2, "not a URL of Postgres"},
		"postgres:secret":                                        {2, "not a URL of Postgres"},
		"postgres:password=secret host=127.0.0.1 sslmode=x":      {2, "not a URL of Postgres"},
		"postgres://u:secret@127.0.0.1:1/db?sslmode=nonsense":    {2, "not a URL of Postgres"},
		"postgres://u@127.0.0.1:1/db?password=secret&port=x":     {2, "not a URL of Postgres"},
		"postgres://u:secret@127.0.0.1:1/db?sslmode=disable":     {1, "127.0.0.1"},
		"postgres://u:a%40secret@127.0.0.1:1/db?sslmode=disable": {1, "127.0.0.1"},
		"secret@127.0.0.1/db":                                    {2, "begin it with"},
		"u/secret":                                               {2, "begin it with"},
		"host=127.0.0.1 user=u password=secret":                  {2, "begin it with"},
		"secret:x@127.0.0.1/db":                                  {2, "scheme is not known"},
		"mysql://u:secret@127.0.0.1/db":                          {2, "scheme is not known"},
		"Postgres://u:secret@127.0.0.1/db":                       {2, "scheme is not known"},
		"redis://u:pre@secret@127.0.0.1:1/0":                     {-1, ""},
		"redis://u:pre%secret@127.0.0.1:1/0":                     {2, "not a URL of Redis"},
	} {
		_, errs, status := call(t, "", "sessions", "list", "--issuer", issuerURL, "--store", url, "u1")
		if c.status >= 0 && status != c.status || status == 0 || !strings.Contains(errs, c.says) || strings.Contains(errs, "secret") || strings.Count(errs, "\n") != status { // a usage error has a line more
			t.Errorf("%s: %d %s", url, status, errs)
		}
	}
}

// TestStore_HangingRedis: a command ends with its context, though the server never answers.
func TestStore_HangingRedis(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel, and nobody reads
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var out, errs bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"sessions", "list", "--issuer", issuerURL, "--store", "redis://" + silent.Addr().String() + "?read_timeout=1m&dial_timeout=1m", "u1"},
			world{strings.NewReader(""), &out, &errs, func() time.Time { return noon }})
	}()
	select {
	case status := <-ended:
		if status == 0 || out.Len() > 0 {
			t.Errorf("%d %s%s", status, out.String(), errs.String())
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the command waits for a server that hangs")
	}
}
