package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/posternauth/postern/internal/httperr"
)

// A caller is a person with a live session in a request.
type caller struct {
	kind        *policy
	subject, id string
}

// callers are the people of a request.
type callers struct {
	all      []caller
	byCookie bool
	forged   map[*policy]bool // kinds whose refresh cookie is forged and was counted
}

// callers finds the live sessions of a request and asks the store about each: the session of the Bearer token, or, if
// there is no Bearer token, one session for each kind that the request has cookies of. It returns an error if there is
// no live session, or if it cannot find out whether one is live. It counts every forged refresh cookie. An
// impersonation is nobody: who acts in it neither sees nor ends the sessions of its subject.
func (s *Sessions) callers(w http.ResponseWriter, r *http.Request) (found callers, err error) {
	if err := s.canEnd(); err != nil {
		return found, err
	}
	var gates guard
	for _, p := range s.policies() {
		if p.stateless {
			continue
		}
		gate := p.plainGate()
		gate.stored = true
		gates = append(gates, gate)
	}
	if token, is, err := bearer(r.Header); is {
		if err != nil {
			return found, err
		}
		in, gate, err := gates.passToken(r.Context(), token, nil)
		if err != nil {
			return found, err
		}
		if in.common().actor != "" {
			return found, ErrImpersonated
		}
		found.all = []caller{callerOf(in, gate)}
		return found, nil
	}
	found.byCookie, found.forged, err = true, map[*policy]bool{}, ErrMissing
	for _, gate := range gates {
		in, why := gate.passCookie(w, r)
		if errors.Is(why, errForged) {
			found.forged[gate.policy] = true
		}
		switch {
		case why == nil && in.common().actor != "":
			err = ErrImpersonated
		case why == nil:
			found.all = append(found.all, callerOf(in, gate))
		case errors.Is(why, ErrUnavailable), errors.Is(why, ErrCrossOrigin), errors.Is(why, ErrDuplicate), errors.Is(why, errHeaderTooLarge):
			return found, why
		case !errors.Is(why, ErrMissing) && !errors.Is(err, errForged) && !errors.Is(err, ErrImpersonated):
			err = why
		}
	}
	if len(found.all) == 0 {
		return found, err
	}
	return found, nil
}

func callerOf(s checkedSession, g *gate) caller {
	c := s.common()
	return caller{g.policy, c.subject, c.id}
}

// ownSessionJSON is a person's own session.
type ownSessionJSON struct {
	infoJSON
	Current bool `json:"current"` // the session of the request, or its pair; with cookies there may be one of each kind
}

// serveOwn is {base}/sessions: it lists and ends a person's own sessions, of the kinds that the request carries.
func (s *Sessions) serveOwn(w http.ResponseWriter, r *http.Request) {
	id, one := strings.CutPrefix(r.URL.Path, s.base.Path+pathSessions+"/")
	switch {
	case r.Method == http.MethodDelete:
	case !one && r.Method == http.MethodGet:
	case one:
		httperr.Method(w, http.MethodDelete)
		return
	default:
		httperr.Method(w, http.MethodGet, http.MethodDelete)
		return
	}
	found, err := s.callers(w, r)
	if answerLimit(w, limitOf(err)) {
		return
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	ctx, all := s.withClient(r), found.all
	switch {
	case r.Method == http.MethodGet:
		err = s.serveList(ctx, w, all, r.URL.Query())
	case one:
		err = s.endOwn(ctx, w, all, id)
	default:
		moved := headMoves{}
		for _, who := range all {
			if err = s.revokeOthers(ctx, who.id, moved); err != nil {
				break
			}
		}
	}
	switch {
	case errors.Is(err, errNotOwn):
		notFound(w)
	case errors.Is(err, ErrPage):
		httperr.Write(w, http.StatusBadRequest, "invalid_request", strings.TrimPrefix(err.Error(), "session: "))
	case err != nil:
		s.refuse(w, r, err)
	case r.Method == http.MethodDelete:
		httperr.NoStore(w.Header())
		w.WriteHeader(http.StatusNoContent)
	}
}

// serveList is GET {base}/sessions. The query may have limit, and after: the value of next in the previous answer.
func (s *Sessions) serveList(ctx context.Context, w http.ResponseWriter, all []caller, query url.Values) error {
	var holders []holder
	current := map[string]bool{}
	for _, who := range all {
		holders, current[who.id] = append(holders, holder{who.kind, who.subject}), true
	}
	o := ListOptions{After: query.Get("after")}
	if limit := query.Get("limit"); limit != "" {
		var err error
		if o.Limit, err = strconv.Atoi(limit); err != nil || o.Limit == 0 {
			return fmt.Errorf("%w: limit is not a number from 1 to %d", ErrPage, maxPage)
		}
	}
	page, err := s.list(ctx, holders, o)
	if err != nil {
		return err
	}
	out := make([]ownSessionJSON, len(page.Sessions))
	for i, in := range page.Sessions {
		out[i] = ownSessionJSON{in.json(), current[in.ID] || slices.ContainsFunc(in.Paired, func(id string) bool { return current[id] })}
	}
	writeJSON(w, http.StatusOK, struct {
		Sessions []ownSessionJSON `json:"sessions"`
		Next     string           `json:"next,omitempty"`
	}{out, page.Next})
	return nil
}

var errNotOwn = errors.New("session: the person has no such session")

// endOwn ends a session of the person who asks. For a session of another person it returns errNotOwn, as for one that
// does not exist.
func (s *Sessions) endOwn(ctx context.Context, w http.ResponseWriter, all []caller, id string) error {
	k, err := s.load(ctx, id)
	if err != nil {
		return err
	}
	for _, who := range all {
		if !k.found() || k.Kind != who.kind.name || k.Subject != who.subject {
			continue
		}
		own := id == who.id
		if k.Pair != "" && !own {
			mine, err := s.load(ctx, who.id)
			if err != nil {
				return err
			}
			own = mine.Pair == k.Pair // it ends as well
		}
		if err := s.revoke(ctx, id, endRevoked); err != nil {
			return err
		}
		if own {
			who.kind.clearCookies(w)
		}
		return nil
	}
	return errNotOwn
}

// SignedIn reports whether a cookie of the request holds a valid access token of any kind, or a refresh token that a
// guard could try. Use it to choose which page to show, not to protect a route: it does not ask the store.
func (s *Sessions) SignedIn(r *http.Request) bool {
	for _, p := range s.policies() {
		if p.carriesRefresh(r) {
			return true
		}
		token, err := cookie(r.Header, p.cookie)
		if err != nil || token == "" {
			continue
		}
		if c, ok, err := s.accessOf(r.Context(), token); err == nil && ok && c.live && c.kind == p.name {
			return true
		}
	}
	return false
}
