package session

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/httperr"
)

// A caller is whose live session a request carries.
type caller struct {
	kind        *policy
	subject, id string
}

type callerKey struct{}

// callers finds the live sessions of a request, asking the store: that of the Bearer token, or else one for each kind whose
// cookies it carries, byCookie. It is an error if there is none, and if that of a kind could not be found out.
func (s *Sessions) callers(w http.ResponseWriter, r *http.Request) (all []caller, byCookie bool, err error) {
	if err := s.canEnd(); err != nil {
		return nil, false, err
	}
	var gates guard
	for _, p := range s.policies() {
		if p.stateless {
			continue
		}
		gate := (&Kind[json.RawMessage]{policy: p}).gates()[0]
		gate.stored = true
		gate.enter = func(ctx context.Context, f facts) context.Context {
			return context.WithValue(ctx, callerKey{}, caller{p, f.session.(*Session[json.RawMessage]).Subject, f.id})
		}
		gates = append(gates, gate)
	}
	if token, found, err := bearer(r.Header); found {
		if err != nil {
			return nil, false, err
		}
		ctx, err := gates.passToken(r.Context(), token, nil)
		if err != nil {
			return nil, false, err
		}
		return []caller{ctx.Value(callerKey{}).(caller)}, false, nil
	}
	err = ErrMissing
	for _, gate := range gates {
		ctx, why := guard{gate}.passCookie(w, r)
		switch {
		case why == nil:
			all = append(all, ctx.Value(callerKey{}).(caller))
		case errors.Is(why, ErrUnavailable), errors.Is(why, ErrCrossOrigin), errors.Is(why, ErrDuplicate):
			return nil, true, why
		case !errors.Is(why, ErrMissing):
			err = why
		}
	}
	if len(all) == 0 {
		return nil, true, err
	}
	return all, true, nil
}

// serveRefresh is POST {base}/refresh: it renews the cookies of every kind that the request carries, and answers how
// long the access token lives. Where no cookie can be renewed it answers why, and clears what can never be again.
func (s *Sessions) serveRefresh(w http.ResponseWriter, r *http.Request) {
	if s.canKeep() != nil {
		httperr.Write(w, http.StatusNotFound, "not_found", "this program refreshes nothing")
		return
	}
	if !plainPost(w, r) {
		return
	}
	err := error(ErrMissing)
	if s.cross.Check(r) != nil {
		s.refuse(w, r, ErrCrossOrigin)
		return
	}
	var soonest time.Time
	for _, p := range s.policies() {
		t, found, why := p.renewCookie(w, r)
		switch {
		case why == nil && found:
			if soonest.IsZero() || t.Expires.Before(soonest) {
				soonest = t.Expires
			}
		case errors.Is(why, ErrRefresh), errors.Is(why, ErrEnded), errors.Is(why, ErrKind):
			p.clearCookies(w)
			err = better(err, why)
		case why != nil:
			err = better(err, why)
		}
	}
	if soonest.IsZero() {
		s.refuse(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]int64{"expires_in": max(0, int64(soonest.Sub(s.now())/time.Second))})
}

// ownSession is what a person is told of one of their sessions. Times are Unix seconds.
type ownSession struct {
	ID       string   `json:"id"`
	Kind     string   `json:"kind"`
	Current  bool     `json:"current"` // the one that asks; by cookies, one of each kind may
	Device   string   `json:"device,omitempty"`
	Place    string   `json:"place,omitempty"`
	Methods  []string `json:"amr,omitempty"`
	Created  int64    `json:"created_at"`
	Seen     int64    `json:"last_seen_at"`
	Expires  int64    `json:"expires_at"`
	ClientID string   `json:"client_id,omitempty"`
}

// serveOwn is {base}/sessions: a person's own sessions, of the kinds the request carries.
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
	all, _, err := s.callers(w, r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	ctx := r.Context()
	switch {
	case r.Method == http.MethodGet:
		err = s.serveList(ctx, w, all)
	case one:
		err = s.endOwn(ctx, w, all, id)
	default:
		for _, who := range all {
			if err = s.RevokeOthers(ctx, who.id); err != nil {
				break
			}
		}
	}
	switch {
	case errors.Is(err, errNotOwn):
		notFound(w)
	case err != nil:
		s.refuse(w, r, err)
	case r.Method == http.MethodDelete:
		httperr.NoStore(w.Header())
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Sessions) serveList(ctx context.Context, w http.ResponseWriter, all []caller) error {
	var list []Info
	current := map[string]bool{}
	for _, who := range all {
		some, err := who.kind.list(ctx, who.subject)
		if err != nil {
			return err
		}
		list = append(list, some...)
		current[who.id] = true
	}
	lastUsedFirst(list)
	out := make([]ownSession, len(list))
	for i, in := range list {
		out[i] = ownSession{
			ID: in.ID, Kind: in.Kind, Current: current[in.ID], Device: in.Device, Place: in.Place, Methods: in.Auth.Methods,
			Created: in.Created.Unix(), Seen: in.Seen.Unix(), Expires: in.Expires.Unix(), ClientID: in.ClientID,
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"sessions": out})
	return nil
}

var errNotOwn = errors.New("session: not a session of the one who asks")

// endOwn ends a session of the person who asks. Those of others are not there for them.
func (s *Sessions) endOwn(ctx context.Context, w http.ResponseWriter, all []caller, id string) error {
	k, err := s.load(ctx, id)
	if err != nil {
		return err
	}
	for _, who := range all {
		if !k.found() || k.Kind != who.kind.name || k.Subject != who.subject {
			continue
		}
		if err := s.revoke(ctx, id, endRevoked); err != nil {
			return err
		}
		if id == who.id {
			who.kind.clearCookies(w)
		}
		return nil
	}
	return errNotOwn
}

// writeJSON answers with what cannot fail to encode, and is never cached.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, _ := json.Marshal(v)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	httperr.NoStore(h)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that has gone needs no answer
}
