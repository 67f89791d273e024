package session

import (
	"context"
	"net/http"
)

// FromVerifiedClaims returns the session of a token that another program has verified: a gateway, a proxy or a
// service mesh. claims is the payload of the token, as JSON. It checks them as [Kind.Verify] does, except the
// signature. So they must come from a place where no client can write, and never from a header.
//
// Errors as [Kind.Verify], without those of the signature.
func (k *Kind[T]) FromVerifiedClaims(ctx context.Context, claims []byte) (*Session[T], error) {
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

// FromVerifiedClaims returns the session of a token that another program has verified; see [Kind.FromVerifiedClaims].
func (f *External[T]) FromVerifiedClaims(_ context.Context, claims []byte) (*Session[T], error) {
	return f.accept(string(claims))
}

// GuardVerifiedClaims returns a guard for requests whose token another program has verified, see
// [Kind.FromVerifiedClaims]. read returns the claims of the token, or an error such as ErrMissing. cookie is true if
// a browser sent the token as a cookie: requests that change something must then come from a trusted page. The guard
// reads no token from the request. An error of read that is not of this package is logged and answered with 500.
// [AnyOf] combines such a guard with others of GuardVerifiedClaims alone.
//
// Package gateway has such a read for API Gateway.
func (k *Kind[T]) GuardVerifiedClaims(read func(*http.Request) (claims []byte, cookie bool, err error)) Guard {
	return k.gates().ofVerifiedClaims(read)
}

// GuardVerifiedClaims returns a guard for requests whose token another program has verified; see
// [Kind.GuardVerifiedClaims].
func (f *External[T]) GuardVerifiedClaims(read func(*http.Request) (claims []byte, cookie bool, err error)) Guard {
	return f.gates().ofVerifiedClaims(read)
}

func (g guard) ofVerifiedClaims(read func(*http.Request) (claims []byte, cookie bool, err error)) guard {
	for _, gate := range g {
		gate.verifiedClaims = read
	}
	return g
}

// passVerifiedClaims is pass for claims that were verified in front of this program.
func (g guard) passVerifiedClaims(r *http.Request) (admission, error) {
	in := admission{request: r}
	err := error(ErrMissing)
	for _, gate := range g {
		claims, byCookie, why := gate.verifiedClaims(r)
		if why == nil && byCookie {
			in.from = fromCookie
			if gate.policy == nil {
				why = ErrMissing // an External reads no cookies
			} else {
				why = gate.policy.sessions.checkOrigin(r)
			}
		}
		if why == nil {
			var s checkedSession
			if s, why = gate.accept(claims); why == nil {
				if why = gate.admit(r.Context(), s, nil); why == nil {
					in.session, in.gate = s, gate
					return in, nil
				}
			}
		}
		err = moreTelling(err, why)
	}
	return in, err
}
