package session

import "net/http"

// CheckAuth returns the session of a request, by its Bearer token or its cookie, and whether there is one that meets
// all needs. It is for a function that has a request and nothing else, such as a handler of a queue of requests or a
// GraphQL context. Prefer [Kind.Require], which also answers, and refreshes:
//
//   - CheckAuth refreshes nothing, because it cannot set a cookie. A person whose access token has expired is signed
//     out for it, although Require would let them in. A browser calls {base}/refresh first.
//   - ok is false for a request without a session, for a session that was refused, and while keys or the store do not
//     answer. The reason is in the log.
//   - A cookie counts only in a request that Require would accept: not in one from a page of an unknown origin.
//
// As with Require, a session that has ended passes until its access token expires, unless [CheckStore] is a need.
func (k *Kind[T]) CheckAuth(r *http.Request, needs ...Need) (s *Session[T], ok bool) {
	in, err := k.gates().with(needs).pass(nil, r)
	if err != nil {
		k.sessions.log.DebugContext(r.Context(), "session: CheckAuth refused a request", "error", err)
		return nil, false
	}
	s, ok = in.session.(*Session[T])
	return s, ok
}
