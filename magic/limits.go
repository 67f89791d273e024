package magic

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/posternauth/postern/internal/clientip"
	"github.com/posternauth/postern/internal/limit"
)

const (
	guessesPerDay = 80 // of an address's codes, by anybody
	guessesKnown  = 20 // more, shared by the browsers that have signed in to it before
	mailsKnown    = 2  // more mails an hour, shared likewise
)

// takeMail counts a mail before it is made. The client's limit comes first, so that one client cannot use up the limits
// of everybody's addresses.
func (h *handler) takeMail(ctx context.Context, r *http.Request, address string, b *browser) error {
	issuer := h.flow.Sessions().Issuer()
	err := h.take(ctx, limit.Rule{Name: "magic mail client", Every: time.Hour, Burst: h.config.PerClient},
		issuer+" "+clientip.Bucket(h.flow.Addr(r)))
	if err != nil {
		return err
	}
	err = h.takeAddress(ctx, address, b,
		limit.Rule{Name: "magic mail", Every: time.Hour, Burst: h.config.PerAddress},
		limit.Rule{Name: "magic mail known", Every: time.Hour, Burst: mailsKnown})
	if err != nil || h.config.Total == 0 {
		return err
	}
	return h.take(ctx, limit.Rule{Name: "magic mail total", Every: time.Hour, Burst: h.config.Total}, issuer+" "+h.flow.Name())
}

// takeGuess counts a guess at a code of the address before it is compared.
func (h *handler) takeGuess(ctx context.Context, address string, b *browser) error {
	return h.takeAddress(ctx, address, b,
		limit.Rule{Name: "magic guess", Every: 24 * time.Hour, Burst: guessesPerDay},
		limit.Rule{Name: "magic guess known", Every: 24 * time.Hour, Burst: guessesKnown})
}

// takeAddress counts against everybody's limit of an address and, when that is used up, against the one that is kept for
// browsers that know it: strangers who use up the first do not lock the owner out.
func (h *handler) takeAddress(ctx context.Context, address string, b *browser, all, kept limit.Rule) error {
	account, err := h.account(ctx, address)
	if err != nil {
		return err
	}
	err = h.take(ctx, all, account)
	if errors.Is(err, limit.ErrLimited) && b.knows(address, h.now()) {
		return h.take(ctx, kept, account)
	}
	return err
}

func (h *handler) take(ctx context.Context, rule limit.Rule, key string) error {
	return limit.Take(ctx, h.flow.Store(), rule, key, h.now())
}
