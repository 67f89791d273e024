package e2e

import (
	"slices"
	"testing"
)

// refreshed is what a client was given at the token endpoint, or told.
type refreshed struct {
	granted
	Refresh string `json:"refresh_token"`
	Refused string `json:"refused"`
	Status  int    `json:"status"`
}

// TestI6_InteropRefresh: clients that nobody here wrote refresh by what discovery says, follow the rotation, and are
// refused when a token that was replaced comes again.
func TestI6_InteropRefresh(t *testing.T) {
	dir := scripts(t)
	for _, name := range []string{"openid-client", "oauth4webapi"} {
		t.Run(name, func(t *testing.T) {
			c := newPlainClub(t)
			var answer struct {
				GrantTypes []string    `json:"grantTypes"`
				Grants     []refreshed `json:"grants"`
				Stranger   *refreshed  `json:"stranger"`
				Retried    refreshed   `json:"retried"`
				Replayed   refreshed   `json:"replayed"`
				After      refreshed   `json:"after"`
			}
			node(t, dir, "refresh-"+name+".mjs", task{Issuer: c.url + "/auth", Client: "spa", RedirectURI: c.url + "/callback"}, &answer)
			if !slices.Equal(answer.GrantTypes, []string{"authorization_code", "refresh_token"}) {
				t.Errorf("grant_types_supported %q", answer.GrantTypes)
			}
			if len(answer.Grants) != 5 {
				t.Fatalf("%d grants", len(answer.Grants))
			}
			var tokens, accesses []string
			for i, g := range answer.Grants {
				if g.Refused != "" || g.Refresh == "" || g.Access == "" || g.Scope != "orders:read" || g.Expires != "300" {
					t.Errorf("grant %d: refused %q, scope %q, expires_in %s; refresh token %v, access token %v", i, g.Refused, g.Scope, g.Expires, g.Refresh != "", g.Access != "")
				}
				if !slices.Contains(tokens, g.Refresh) {
					tokens = append(tokens, g.Refresh)
				}
				if !slices.Contains(accesses, g.Access) {
					accesses = append(accesses, g.Access)
				}
			}
			// The first refresh, at once, is within the grace: a new access token, and the same refresh token.
			if len(tokens) != 4 || len(accesses) != 5 || answer.Grants[0].Refresh != answer.Grants[1].Refresh {
				t.Errorf("%d refresh tokens and %d access tokens", len(tokens), len(accesses))
			}
			if last := answer.Grants[4].Refresh; answer.Retried.Refresh != last || answer.Retried.Refused != "" {
				t.Errorf("a retry within the grace: refused %q, the same successor %v", answer.Retried.Refused, answer.Retried.Refresh == last)
			}
			for what, r := range map[string]*refreshed{"another client": answer.Stranger, "a replay": &answer.Replayed, "the last token after a replay": &answer.After} {
				if r != nil && (r.Refused != "invalid_grant" || r.Status != 400 || r.Access != "" || r.Refresh != "") {
					t.Errorf("%s: %q, status %d", what, r.Refused, r.Status)
				}
			}
			if (name == "oauth4webapi") != (answer.Stranger != nil) {
				t.Error("no stranger came")
			}
			if got := c.reasons(); !slices.Equal(got, []string{"reuse"}) || c.happened("session refreshed") != 3 || c.happened("refresh retried") != 1 {
				t.Errorf("ended for %q, %d rotations, %d retries", got, c.happened("session refreshed"), c.happened("refresh retried"))
			}
			if _, err := c.member.Verify(t.Context(), accesses[0]); err == nil {
				t.Error("the first access token lives on")
			}
		})
	}
}
