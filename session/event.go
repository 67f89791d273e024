package session

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/clientip"
)

// An Event is an entry for an audit log. It carries no secret.
//
// The events of this package:
//
//	session created
//	session refreshed  a new refresh token was made; with the Reason "rights" the token stayed, and
//	                   KindConfig.OnRefresh loaded the roles of the user again, because they had changed
//	refresh retried    the refresh token before the present one came again within the grace: a second tab, or a
//	                   lost answer. Many of them, from two addresses or agents in turn, mean that a thief and the
//	                   owner use the session at the same time
//	lost answer        the refresh token before the present one came again after the grace, and a new one was made: an
//	                   answer was lost, or somebody kept a copy. Compare Addr and Agent with those of the session
//	session ended      Reason: "sign-out", "revoked", "replaced", "renew" (by KindConfig.OnRefresh), "code replayed",
//	                   "too many" (a newer session took its place, see KindConfig.MaxSessions), "reuse" (a refresh
//	                   token was used again: a theft), "store rollback" (a refresh token is newer than the store: a
//	                   backup was restored, or a write was lost), "security" (the security of the account changed),
//	                   "gone" (the user is disabled or deleted), see KindConfig.Pool, or "actor" (the session or the
//	                   rights of the Actor ended), see Grant.ActorSession
//	impersonation ended  after "session ended" of an impersonation, with the same Reason: Subject is the actor, UserID
//	                   the user. An impersonation that runs into its end has no event
//	subject revoked    all sessions of the subject and kind
//	others revoked     all but SessionID and the session that is paired with it
//	code refused       Reason is the cause; for a code that comes a second time it is "used"
//	limited            Reason is "forged": too many forged codes or refresh tokens from one address. A process emits
//	                   this at most once in 10 minutes for each address; it remembers 4096 of them
//
// The program whose write made the change emits the event, once. Package postern adds "sign-in", "sign-in failed" and
// others.
type Event struct {
	Name      string
	Time      time.Time
	Kind      string // of session
	Subject   string // of the session, or of the provider's identity
	UserID    string // the user, with postern.Config.Session
	SessionID string
	Actor     string // who acted as the subject in an impersonation, see Grant.ActorSession
	Provider  string
	Reason    string // a stable code
	Addr      string // client address, as limits see it; empty outside of HTTP
	Agent     string // User-Agent of the client, cut at 255 bytes; empty outside of HTTP
	Err       error
}

// Emit passes an event to [Config].OnEvent. It sets the time and, below a handler or guard of this package, the
// client's address and agent.
func (s *Sessions) Emit(ctx context.Context, e Event) {
	if s.onEvent == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = s.now()
	}
	if c, ok := ctx.Value(clientKey{}).(client); ok {
		e.Addr, e.Agent = cmp.Or(e.Addr, c.address), cmp.Or(e.Agent, c.agent)
	}
	s.onEvent(ctx, e)
}

// A client is the sender of a request, for events.
type client struct{ address, agent string }

type clientKey struct{}

// withClient returns the context of a request with its sender.
func (s *Sessions) withClient(r *http.Request) context.Context {
	if s.onEvent == nil {
		return r.Context()
	}
	c := client{agent: display(r.UserAgent())}
	if addr := s.clientAddr(r); addr.IsValid() {
		c.address = addr.String()
	}
	return context.WithValue(r.Context(), clientKey{}, c)
}

// TrustProxies sets the networks of the proxies in front of this program, and the header in which they send the
// client's address: X-Forwarded-For, or a header with one address. The address decides the limits of forged tokens, at
// the endpoints of Handler and at guards, and is the Addr of events. Behind a proxy that is not set, all clients share
// the limits of one address. 127.0.0.1 includes a proxy on a Unix socket.
//
// postern.New calls it with the proxies of its configuration. A program without postern calls it once, before it
// serves.
//
// Defaults to the address of the peer.
func (s *Sessions) TrustProxies(trusted []netip.Prefix, header string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = clientip.Resolver{Trusted: slices.Clone(trusted), Header: header}
}

// clientAddr returns the client's address; it is invalid if unknown.
func (s *Sessions) clientAddr(r *http.Request) netip.Addr {
	s.warnOfProxy(r)
	return s.resolver().Addr(r)
}

// warnOfProxy logs once that a proxy hides the clients' addresses.
func (s *Sessions) warnOfProxy(r *http.Request) {
	if s.hidden.Load() || !s.resolver().Hidden(r) || s.hidden.Swap(true) {
		return
	}
	s.log.WarnContext(r.Context(), "session: requests come through a proxy that is not configured, so all clients behind it share "+
		"one limit; call Sessions.TrustProxies, or set postern.Config.TrustedProxies and ClientIPHeader", "peer", clientip.Peer(r).String())
}

func (s *Sessions) resolver() clientip.Resolver {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.clients
}
