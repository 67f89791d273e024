package main

import (
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/testserver"
)

// TestWithoutMail: where the template sets no sender, a configuration without mail starts, and one with mail says which
// variable is missing.
func TestWithoutMail(t *testing.T) {
	env := environment(t, testserver.Moto(t).URL())
	delete(env, "POSTERN_MAIL_FROM")
	text, err := os.ReadFile(env["POSTERN_CONFIG"])
	if err != nil {
		t.Fatal(err)
	}
	start := func(text string) error {
		read := func(string) ([]byte, error) { return []byte(text), nil }
		_, err := open(t.Context(), world{lookup(env), read, io.Discard, slog.New(slog.DiscardHandler)})
		return err
	}
	if err := start(string(text)); err == nil || !strings.Contains(err.Error(), "mail.from: the variable POSTERN_MAIL_FROM of the environment is not set") {
		t.Errorf("with mail: %v", err)
	}
	without := regexp.MustCompile(`(?s)\[providers\.link\].*`).ReplaceAllString(string(text), "[providers.github]\ntype = \"github\"\nclient_id = \"1\"\nclient_secret = \"secret:GITHUB_CLIENT_SECRET\"\n")
	without = strings.Replace(without, `sources = ["ssm"]`, `sources = ["env"]`, 1)
	env["GITHUB_CLIENT_SECRET"] = "x"
	if err := start(without); err != nil {
		t.Errorf("without mail: %v", err)
	}
}
