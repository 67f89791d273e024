package session

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/posternauth/postern/store"
)

// A sign-in by code can leave two sessions: that of the application, and one in the cookies of the browser at the
// issuer's origin, by which the person reaches the pages there. They are a pair, which is named by the second half of
// the id that the browser's session had first. All lie in the part of the subject, so one write can end both.
//
// When the same person signs in again in that browser, a new session takes the place of the earlier one in the cookies.
// The sessions of a browser have a name in common, see row.browser, so that a sign-out still finds what belongs
// together; endsWith has the rule. Other ends end one session alone.

// CodeAndCookies is [Kind.Code] that also gives this browser a session in cookies, as [Kind.Cookie] does, at the
// issuer's origin. Use it where the pages of the issuer, such as those of an account, need to know the person. The
// session of the cookies does not wait until the code is redeemed, and who steals the code has no part in it. If the
// request has cookies of an earlier session of the kind, that session is ended first.
//
// The two are a pair. Lists of sessions show them as one, [KindConfig].MaxSessions counts them as one, and
// [Sessions.RevokeOthers] keeps both. A sign-out of either, or [Sessions.Revoke], ends both. Where the person signed in
// several times in this browser, a sign-out with its cookies ends the sessions of all applications that began there. A
// sign-out with the token of an application alone ends the session of the browser too, unless that of another
// application is its pair by now, and lives: the person signed in again since, or went on to the first application by
// [Kind.CodeBeside].
//
// The errors are those of Code and Cookie, and ErrGrant for a kind that is Stateless. After an error nothing was
// written to w.
func (k *Kind[T]) CodeAndCookies(w http.ResponseWriter, r *http.Request, g Grant[T], ret Return) error {
	b, err := encodeGrant(g)
	if err != nil {
		return err
	}
	s, ctx := k.sessions, k.sessions.withClient(r)
	switch {
	case k.stateless:
		return fmt.Errorf("%w: the session of a Stateless kind cannot end with another: use Code", ErrGrant)
	case b.acting.Session != "":
		return errActingHere
	}
	if err := s.canRedeem(); err != nil {
		return err
	}
	if err := canCode(ret); err != nil {
		return err
	}
	old, err := k.endBefore(r, b.subject)
	if err != nil {
		return err
	}
	b = b.from(r, ret)
	rights, known := k.loadedRights(ctx)
	n, err := k.newRecord(ctx, b, s.clientID, nil, rights)
	if err != nil {
		return err
	}
	n.row.Home, n.row.Pair, n.row.Browser = true, n.record.item.Key.ID, old.browser()
	code, err := k.code(ctx, b, ret, codePair{Pair: n.row.Pair, Home: n.row.Pair, Browser: n.row.Browser})
	if err != nil {
		return err
	}
	crowded, err := k.keep(ctx, &n, known, old.item.Key.ID)
	if err != nil {
		return err // nobody ever gets the code
	}
	s.created(ctx, k.policy, &n.row, n.tokens.SessionID)
	k.crowdedOut(ctx, crowded)
	k.setCookies(w, n.tokens)
	return redirect(w, r, ret, "code", code, "iss", s.issuer)
}

// ReplaceCookiesAndCode is [Kind.ReplaceCookies], and then [Kind.Code] for the same grant: for a step-up that an
// application has asked for. The session of the cookies and that of the code are a pair, as after
// [Kind.CodeAndCookies]. When the code is redeemed, the session of the application that was paired with the cookies
// before ends in the same write. If only the code fails, the cookies are those of the new session.
func (k *Kind[T]) ReplaceCookiesAndCode(w http.ResponseWriter, r *http.Request, g Grant[T], ret Return) error {
	b, err := encodeGrant(g)
	if err != nil {
		return err
	}
	if err := canCode(ret); err != nil {
		return err
	}
	if err := k.sessions.canRedeem(); err != nil {
		return err
	}
	n, err := k.replaceCookies(w, r, g, true)
	if err != nil {
		return err
	}
	pair := codePair{Pair: n.row.Pair, Home: n.record.item.Key.ID, Browser: n.row.Browser, Replaces: true}
	code, err := k.code(k.sessions.withClient(r), b.over(&n.row).from(r, ret), ret, pair)
	if err != nil {
		return err
	}
	return redirect(w, r, ret, "code", code, "iss", k.sessions.issuer)
}

// A codePair is what a code knows of the session of the browser that it was made with.
type codePair struct {
	Pair     string `json:"pair,omitempty"`
	Home     string `json:"home,omitempty"`     // the second half of the id of the browser's session
	Browser  string `json:"browser,omitempty"`  // as in row
	Replaces bool   `json:"replaces,omitempty"` // the new session takes the place of the application's in the pair
	Beside   bool   `json:"beside,omitempty"`   // as in row; Pair and Browser are found out at the redemption
	Ends     int64  `json:"ends,omitempty"`     // as in encodedGrant
}

// browser returns the name that the sessions of one browser have in common, or "" for a session that belongs to none.
func (r *row) browser() string { return cmp.Or(r.Browser, r.Pair) }

// follow makes r the session in the cookies of a browser, after the session old was there. A zero old has no browser.
func (r *row) follow(old *row) {
	if old.browser() == "" {
		return
	}
	r.Home, r.Browser = true, old.browser()
	if old.Home && !endsPair(old.Ended) {
		r.Pair, r.Browser = old.Pair, old.Browser
	}
}

// inBrowser returns the sessions of the browser of a session, without it, and the rows of the subject. Some may have
// ended.
func (p *policy) inBrowser(ctx context.Context, k *row, but string) (all []record, u subjectRows, err error) {
	if u, err = p.loadSubject(ctx, k.Subject); err != nil {
		return nil, u, err
	}
	if all, err = p.loadEntries(ctx, k.Subject, u, u.index.Sessions); err != nil {
		return nil, u, err
	}
	return slices.DeleteFunc(all, func(o record) bool { return o.browser() != k.browser() || o.id == but }), u, nil
}

// partners returns the other sessions of the pair of a session for which lives returns true: those that the index
// names, and those with the tails known. A session without a pair costs no read.
func (p *policy) partners(ctx context.Context, k *record, known []string, lives func(*record) bool) ([]record, error) {
	if k.Pair == "" {
		return nil, nil
	}
	u, err := p.loadSubject(ctx, k.Subject)
	if err != nil {
		return nil, err
	}
	entries := slices.DeleteFunc(slices.Clone(u.index.Sessions), func(e indexEntry) bool {
		return e.Pair != k.Pair || e.Tail == k.item.Key.ID
	})
	for _, tail := range known {
		if !u.index.has(tail) {
			entries = append(entries, indexEntry{Tail: tail})
		}
	}
	all, err := p.loadEntries(ctx, k.Subject, u, entries)
	return slices.DeleteFunc(all, func(o record) bool { return !lives(&o) }), err
}

// endsPair reports whether the end of a session for a reason ends its pair.
func endsPair(why string) bool { return why == endSignOut || why == endRevoked }

// signsOut reports whether a token of this session, which has ended, still signs out its pair: a person who presses
// "Sign out" in an application cannot know that its session has ended for another reason, such as a step-up in another
// tab. An old cookie of a browser does not, and nothing does after a sign-out.
func (r *row) signsOut(why string) bool {
	return why == endSignOut && !r.Home && r.browser() != "" && !endsPair(r.Ended)
}

// endsWith returns the sessions that end together with the session k. If k is that of a browser and a copy of its token
// was used, these are the sessions that began there without a proof, because the thief may have them. If k ends for a
// reason that endsPair:
//
//   - the others of its pair
//   - if k is that of a browser and signs out: the sessions of all applications that began in the browser
//   - the present session of the browser, if k is that of an application from an earlier sign-in there, or one that
//     began without a proof, and the present one has no living partner. With a partner the browser stays signed in:
//     who goes on to an application then has pressed a button for it. Without this end a sign-in that an application
//     has begun, and not ended, would keep the browser signed in. A k that has ended already ends nothing more, or
//     each further use of its token would end a later sign-in.
//
// The write must be conditional on the index x: another session of the subject may begin at this moment.
func (p *policy) endsWith(ctx context.Context, k *record, why string) (others []record, x *index, err error) {
	copied := k.Home && why == endReuse
	if k.browser() == "" || !endsPair(why) && !copied {
		return nil, nil, nil
	}
	all, u, err := p.inBrowser(ctx, &k.row, k.id)
	if err != nil {
		return nil, nil, err
	}
	now := p.sessions.now()
	inUse := func(home record) bool {
		return slices.ContainsFunc(all, func(o record) bool {
			return !o.Home && home.Pair != "" && o.Pair == home.Pair && o.verdict(p, now) == nil
		})
	}
	for _, o := range all {
		switch {
		case o.Ended != "":
		case copied:
			if o.Beside {
				others = append(others, o)
			}
		case k.Pair != "" && o.Pair == k.Pair, k.Home && why == endSignOut, k.Ended == "" && o.Home && !inUse(o):
			others = append(others, o)
		}
	}
	return others, &u.index, nil
}

// joinPair checks that the browser of a code has not been signed out since, and returns what the write of the new
// session must contain. replaced are the sessions that end in it. Of a code beside, it sets the Pair and the Browser of
// the new row n, and the pair of the browser's session in the index of u.
func (p *policy) joinPair(ctx context.Context, o codeGrant, n *row, u *subjectRows) (changes []store.Change, replaced []record, err error) {
	if o.Home == "" {
		return nil, nil, nil
	}
	s, now := p.sessions, p.sessions.now()
	home, err := s.load(ctx, s.subjectPart(p.name, o.Subject)+"."+o.Home)
	if err != nil {
		return nil, nil, err
	}
	lives := home.found() && home.verdict(p, now) == nil
	if o.Beside {
		n.Pair, n.Browser = "", home.browser()
	}
	switch {
	case lives && o.Beside && home.browser() == "": // it becomes the pair of the new session
		next := home.row
		next.Home, next.Pair = true, home.item.Key.ID
		put, err := home.put(next, p.idle)
		n.Pair = next.Pair
		u.index.pair(next.Pair)
		return []store.Change{put}, nil, err
	case lives && !o.Replaces:
		return []store.Change{store.Check(home.item.Key, home.item.Version)}, nil, nil
	}
	var others []record
	// Of a browser without a name nothing else is known, and nothing begins without a proof after a copied token.
	if home.found() && home.browser() != "" && !endsPair(home.Ended) && !(o.Beside && home.Ended == endReuse) {
		if others, _, err = p.inBrowser(ctx, &home.row, home.id); err != nil {
			return nil, nil, err
		}
	}
	if !lives { // another session may be in its place, after a step-up or another sign-in
		i := slices.IndexFunc(others, func(k record) bool { return k.Home && k.verdict(p, now) == nil })
		if i < 0 {
			s.Emit(ctx, Event{Name: "code refused", Reason: cmp.Or(home.Ended, endRevoked), Kind: p.name, Subject: o.Subject, SessionID: home.id})
			return nil, nil, refuse(ErrCode, "the session of its browser has ended")
		}
		home = others[i]
	}
	// A sign-out at this moment comes before, or finds the new session.
	changes = []store.Change{store.Check(home.item.Key, home.item.Version)}
	for _, k := range others {
		if o.Replaces && !k.Home && k.Pair == o.Pair && k.Ended == "" {
			replaced = append(replaced, k)
		}
	}
	ends, err := p.endChanges(replaced, endReplaced)
	return append(changes, ends...), replaced, err
}

// tails returns the second halves of the ids of sessions.
func tails(all []record) (out []string) {
	for _, k := range all {
		out = append(out, k.item.Key.ID)
	}
	return out
}
