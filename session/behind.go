package session

import (
	"context"
	"net/http"
)

// Accept makes a session of the claims of a token that something in front of this program has verified: a gateway, a
// proxy, a service mesh. claims is the payload of the token, as JSON. All is held to the claims that [Kind.Verify]
// holds them to, but nothing tells who signed them: they must come from where no client can write, and never from a
// header.
//
// Errors as [Kind.Verify], without those of the signature.
func (k *Kind[T]) Accept(ctx context.Context, claims []byte) (*Session[T], error) {
	s, err := k.accept(string(claims))
	if err != nil {
		return nil, err
	}
	if k.always {
		if err := k.alive(ctx, s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Accept makes a session of the claims of a token that something in front of this program has verified; see [Kind.Accept].
func (f *Foreign[T]) Accept(_ context.Context, claims []byte) (*Session[T], error) {
	return f.accept(string(claims))
}

// Behind is a guard for requests whose token was verified before they got here, as [Kind.Accept] has it. told finds the
// claims of the token, or an error such as ErrMissing; cookie tells that a browser sent it by itself, whereupon
// requests that change something must come from a trusted page, as ever. Nothing is read from a header. An error of told
// that is none of this package is logged and answered by a 500. In AnyOf it goes with its like only.
//
// Package gateway has told for what API Gateway says of a request.
func (k *Kind[T]) Behind(told func(*http.Request) (claims []byte, cookie bool, err error)) Guard {
	g := k.gates()
	g[0].told, g[0].accept = told, func(_ context.Context, claims []byte) (facts, error) {
		return factsFrom(k.accept(string(claims)))
	}
	return g
}

// Behind is a guard for requests whose token was verified before they got here; see [Kind.Behind].
func (f *Foreign[T]) Behind(told func(*http.Request) (claims []byte, cookie bool, err error)) Guard {
	g := f.gates()
	g[0].told, g[0].accept = told, func(_ context.Context, claims []byte) (facts, error) {
		return factsFrom(f.accept(string(claims)))
	}
	return g
}

func factsFrom[T any](s *Session[T], err error) (facts, error) {
	if err != nil {
		return facts{}, err
	}
	return factsOf(s), nil
}

// passTold lets in by the word of what is in front.
func (g guard) passTold(r *http.Request) (*http.Request, source, error) {
	err := error(ErrMissing)
	src := fromHeader
	for _, gate := range g {
		claims, byCookie, why := gate.told(r)
		if why == nil && byCookie {
			src = fromCookie
			if gate.policy == nil {
				why = ErrMissing // a Foreign reads no cookies
			} else {
				why = gate.policy.sessions.checkOrigin(r)
			}
		}
		if why == nil {
			var f facts
			if f, why = gate.accept(r.Context(), claims); why == nil {
				var in context.Context
				if in, why = gate.enterWith(r.Context(), f, nil); why == nil {
					return r.WithContext(in), src, nil
				}
			}
		}
		err = better(err, why)
	}
	return r, src, err
}
