package ssmkeys_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/rotator"
	"github.com/posternauth/postern/keys/ssmkeys"
)

// server is a client with the rights of a function that serves: it may neither list parts of versions nor remove them.
type server struct{ ssmkeys.Client }

func (s server) GetParametersByPath(ctx context.Context, in *ssm.GetParametersByPathInput, o ...func(*ssm.Options)) (*ssm.GetParametersByPathOutput, error) {
	if *in.Path != path {
		return nil, &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized to list " + *in.Path}
	}
	return s.Client.GetParametersByPath(ctx, in, o...)
}

func (s server) DeleteParameters(context.Context, *ssm.DeleteParametersInput, ...func(*ssm.Options)) (*ssm.DeleteParametersOutput, error) {
	return nil, &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized to remove"}
}

// TestSweep_ByTheRotator: a program without the right to remove parameters starts, signs and rotates, and logs once
// that old versions stay. The rotator removes them, also when no key is due.
func TestSweep_ByTheRotator(t *testing.T) {
	p := newPlace(t)
	late := time.Duration(0)
	now := func() time.Time { return time.Now().Add(late) }
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	open := func(change ...func(*ssmkeys.Config)) *keys.Ring {
		t.Helper()
		change = append(change, func(c *ssmkeys.Config) { c.Now, c.Logger = now, log })
		ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: p.vault(t, change...), Algorithm: keys.ES256, Now: now, Logger: log})
		if err != nil {
			t.Fatal(err)
		}
		return ring
	}
	limited := func(c *ssmkeys.Config) { c.Client = server{p.api} }
	serving := open(limited)
	late += 2 * time.Hour
	for lifetime := 2 * time.Hour; lifetime < 8*time.Hour; lifetime += time.Hour { // each is noted in a new version
		if _, err := serving.SigningKey(t.Context(), lifetime); err != nil {
			t.Fatal(err)
		}
	}
	open(limited)
	before := p.names(t, path)
	if n := strings.Count(out.String(), "\n"); n != 1 || !strings.Contains(out.String(), "level=INFO") || len(before) != 7 {
		t.Errorf("%d parameters, and %d lines of log:\n%s", len(before), n, out.String())
	}
	hourly := open(limited) // a server that rotates by itself
	report, err := rotator.Run(t.Context(), rotator.Config{Ring: open(), Now: now})
	if after := p.names(t, path); err != nil || report.Rotated || !slices.Equal(after, before[6:]) {
		t.Errorf("after the rotator: %q, %+v, %v", after, report, err)
	}
	// Where the rotator lacks the right, the rotation is good all the same. A server that rotates beside a rotator logs
	// no warning; there is one when no rotator came for two days.
	if err := serving.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		lines string
	}{{24 * time.Hour, "INFO"}, {20 * time.Hour, ""}, {3 * time.Hour, "WARN"}, {time.Hour, ""}} {
		late += c.after
		out.Reset()
		report, err = rotator.Run(t.Context(), rotator.Config{Ring: hourly, Now: now})
		lines := out.String()
		if err != nil || report.Keys == 0 || strings.Count(lines, "\n") != min(len(c.lines), 1) || !strings.Contains(lines, c.lines) ||
			strings.Contains(c.lines, "WARN") != strings.Contains(lines, before[6]) {
			t.Errorf("a rotator without the right: %+v, %v\n%s", report, err, lines)
		}
	}
}
