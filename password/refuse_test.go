package password

import (
	"testing"

	"github.com/posternauth/postern/internal/words"
	"github.com/posternauth/postern/password/policy"
)

// The refusal on a page says what the policy says, as a template.
func TestRefuseWeak(t *testing.T) {
	seen := map[string]bool{}
	for _, code := range []policy.Code{
		policy.TooLong, policy.NotText, policy.TooShort, policy.Common, policy.Name, policy.Repeated, policy.Sequence, "another",
	} {
		weak := &policy.Error{Code: code, Min: 15}
		e := refuseWeak(weak)
		if got := words.Fill(e.Text, e.Args, words.English{}); got != weak.Error() || seen[e.Code] {
			t.Errorf("%s: %s %q, want %q", code, e.Code, got, weak)
		}
		seen[e.Code] = true
	}
}
