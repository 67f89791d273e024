package session

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/internal/text"
	"github.com/posternauth/postern/store"
)

// A refreshToken is a parsed refresh token: v1.kid.sid.n.tag, or v2.kid.sid.user.n.tag for a kind with a Pool. user is
// head.Hash of the pool and the subject, so that a refresh reads the session and the head of the user in one round
// trip.
type refreshToken struct {
	kid, id, user, tag string
	number             int64
}

// head returns the key of the head that the token names, or the zero key.
func (t refreshToken) head() store.Key {
	if t.user == "" {
		return store.Key{}
	}
	return head.KeyOf(t.user)
}

func parseRefreshToken(token string) (t refreshToken, ok bool) {
	if len(token) > 256 {
		return t, false
	}
	parts := strings.Split(token, ".") // the id has a dot, too
	if len(parts) == 7 && parts[0] == "v2" && base64Text(parts[4], tagLen) {
		t.user = parts[4]
		parts = slices.Delete(parts, 4, 5)
	} else if parts[0] != "v1" {
		return t, false
	}
	if len(parts) != 6 {
		return refreshToken{}, false
	}
	n, err := strconv.ParseInt(parts[4], 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/2 || strconv.FormatInt(n, 10) != parts[4] {
		return t, false
	}
	t = refreshToken{parts[1], parts[2] + "." + parts[3], t.user, parts[5], n}
	_, ok = sessionKey(t.id)
	return t, ok && t.kid != "" && len(t.kid) <= 64 && text.Base64URL(t.kid) && base64Text(t.tag, tagLen) // see keys.NewSecret
}

func (s *Sessions) tagParts(id, user string, n int64, salt string) []string {
	parts := []string{s.issuer, id, strconv.FormatInt(n, 10), salt}
	if user != "" {
		parts = append(parts, user)
	}
	return parts
}

// refreshTokenOf returns the refresh token of a row. It depends on the row alone, so all answers for a row are the
// same.
func (p *policy) refreshTokenOf(ctx context.Context, id string, r *row) (string, error) {
	s, begins, user := p.sessions, "v1."+r.Kid+"."+id, ""
	if p.pool != "" {
		user = head.Hash(p.pool, r.Subject)
		begins = "v2." + r.Kid + "." + id + "." + user
	}
	tag, err := seal.Tag(ctx, s.secrets, r.Kid, refreshPurpose, s.tagParts(id, user, r.Number, r.Salt)...)
	if err != nil {
		return "", s.unavailable(ctx, "secret", err)
	}
	return begins + "." + strconv.FormatInt(r.Number, 10) + "." + tag, nil
}
