package session_test

import (
	"slices"
	"testing"

	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// Where the head and the sessions are written one after the other, sign-ins in between take the sessions to keep for
// ended ones and crowd them out of the index. They are kept all the same, and listed: the person sees all that live.
func TestRevokeOthers_CrowdedInBetween(t *testing.T) {
	for _, paired := range []bool{false, true} {
		k := newKeeper(t, inOnePart, pooled, func(c *session.KindConfig[User]) { c.MaxSessions = 2 })
		var c *couple
		var app session.Tokens
		if paired {
			c = k.pairUp()
			app = c.redeemed(c.code)
		} else {
			c = k.inCookies(&couple{keeper: k})
		}
		keep, before := c.idOfBrowser(), k.list()
		writes := 0
		k.spy.onWrite = func(int, []store.Change) (bool, error) {
			if writes++; writes == 2 { // the head has moved, and the sessions are about to be written
				for range 3 {
					k.create()
				}
			}
			return true, nil
		}
		if err := k.sessions.RevokeOthers(t.Context(), keep); err != nil {
			t.Fatalf("paired %t: %v", paired, err)
		}
		k.spy.calm()
		if writes < 2 || !c.browserLives() || paired && !c.appLives(app) {
			t.Errorf("paired %t: %d writes, browser lives %t, application lives %t", paired, writes, c.browserLives(), paired && c.appLives(app))
		}
		list := k.list()
		for _, was := range before {
			if !slices.ContainsFunc(list, func(i session.Info) bool { return i.ID == was.ID }) {
				t.Errorf("paired %t: %s is not listed any more", paired, was.ID)
			}
		}
		if len(list) != len(before) {
			t.Errorf("paired %t: %d are listed, want the %d that were kept", paired, len(list), len(before))
		}
	}
}
