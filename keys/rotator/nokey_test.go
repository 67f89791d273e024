package rotator_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testclock"
	"github.com/posternauth/postern/keys/rotator"
)

// TestLook_NoSigningKey: a ring whose keys are all revoked is an error, not a ring with a key of age 0. The next run
// makes a key that signs.
func TestLook_NoSigningKey(t *testing.T) {
	c := testclock.New(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	v := new(shaky)
	r := ring(t, v, c.Now)
	data, version, err := v.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	doc["keys"].([]any)[0].(map[string]any)["revoked"] = c.Now()
	if data, err = json.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Save(t.Context(), data, version); err != nil {
		t.Fatal(err)
	}
	look := func() (rotator.Report, error) {
		return rotator.Look(t.Context(), rotator.Config{Ring: r, Now: c.Now})
	}
	if report, err := look(); !errors.Is(err, rotator.ErrNoSigningKey) {
		t.Errorf("%+v, %v", report, err)
	}
	if report := run(t, r, c.Now); !report.Rotated || report.Signing == "" {
		t.Errorf("the next run: %+v", report)
	}
	if report, err := look(); err != nil || report.Signing == "" {
		t.Errorf("after it: %+v, %v", report, err)
	}
}
