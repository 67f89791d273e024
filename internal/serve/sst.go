package serve

import (
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// checkSST notes what is missing. The rest is checked by session.Kind.Imported, which Check calls, too.
func (k *checker) checkSST() {
	s := k.ForwardAuth.SST
	if !s.Enabled {
		_, aged := k.lines["forward_auth.sst.max_age"]
		if aged || len(s.Types) > 0 || s.Subject != "" || !s.Until.IsZero() || s.AllowNoExp || s.Cookie != "" {
			k.bad("forward_auth.sst.enabled", "is false, so nothing else of forward_auth.sst has an effect", "set it to true, or remove the table")
		}
		return
	}
	if !k.ForwardAuth.Enabled {
		k.bad("forward_auth.sst.enabled", "has no effect: forward_auth.enabled is false, and tokens of SST are accepted there alone", "set forward_auth.enabled = true")
	}
	if len(s.Types) == 0 {
		k.bad("forward_auth.sst.types", "is missing", `list the session types of SST, such as ["user"]`)
	}
	if s.Subject == "" {
		k.bad("forward_auth.sst.subject", "is missing", `write where a token has the id of the user, such as "properties.userID"`)
	}
	if s.Until.IsZero() {
		k.bad("forward_auth.sst.until", "is missing: a migration has an end", "write when it ends, such as 2027-01-31T00:00:00Z")
	}
	k.between("forward_auth.sst.max_age", s.MaxAge, time.Minute, 400*day)
}

// migrating returns the guard of forward authentication: that of the kind, beside which tokens of SST Auth are let in
// where the configuration says so.
func (b *builder) migrating(kind *postern.Kind[Properties]) session.Guard {
	s := b.ForwardAuth.SST
	if !s.Enabled {
		return kind
	}
	imported, err := kind.Imported(session.ImportedConfig{
		Keys: b.house.ring.Imported(), Types: s.Types, Subject: s.Subject, Until: s.Until, MaxAge: s.MaxAge,
		AllowNoExpiry: s.AllowNoExp, CookieName: s.Cookie,
	})
	if err != nil {
		b.library(err, "forward_auth.sst")
		return kind
	}
	if !b.dry {
		b.sayMigrating()
	}
	return session.AnyOf(kind, imported)
}

// sayMigrating logs what a start or a reload accepts. One imported key is needed: a token of SST names none.
func (b *builder) sayMigrating() {
	until := b.ForwardAuth.SST.Until
	all, err := b.house.ring.ImportedKeys(b.ctx)
	rsa := 0
	for _, k := range all {
		if k.Algorithm == keys.RS512 {
			rsa++
		}
	}
	log := b.house.log.WarnContext
	switch {
	case !b.house.now().Before(until):
		log(b.ctx, "forward_auth.sst: the migration has ended, and no token of SST is accepted; remove the table, and end the key: postern keys revoke", "until", until)
	case err != nil:
		log(b.ctx, "forward_auth.sst: the imported keys could not be read", "error", err)
	case len(all) != 1 || rsa != 1:
		log(b.ctx, "forward_auth.sst: no token of SST is accepted: one imported key for RS512 is needed, because a token of SST names none; see postern keys import", "imported", len(all), "rs512", rsa)
	default:
		b.house.log.InfoContext(b.ctx, "forward_auth.sst: session tokens of SST Auth are accepted", "until", until, "key", all[0].ID, "key_until", all[0].Retires)
	}
}
