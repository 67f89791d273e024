package magic

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/clientip"
	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/store"
)

// The limits that no setting changes. docs/providers.md lists them all.
const (
	guessesPerDay = 80 // at the codes of an address, by anybody; right ones are given back
	guessesWide   = 10 // of those, by one wide network: a stranger with one connection leaves the others to the owner
	guessesKnown  = 20 // more, shared by the browsers that have signed in to it before

	// elsewherePerDay is how many links of an address sign in another browser than the one that asked, in a day. A
	// scanning program that presses buttons gets that many sessions, however many mails strangers ask for.
	elsewherePerDay = 5

	mailsKnown   = 3 // more mails an hour to an address, shared likewise
	mailsReserve = 2 // more mails an hour, for browsers that have not asked today: one a day for a wide network

	ruleTotal = "magic mail total"

	wrongPerMail = 2 // wrong codes a day from a client address, for each mail that it may ask for in an hour
)

// sharedLimits are the limits that a request shares with requests for other addresses.
type sharedLimits struct {
	client  []limit.Bucket // mails for the client's address and its networks
	total   []limit.Bucket // mails of the provider
	wrong   []limit.Bucket // wrong codes at the provider
	guesses []limit.Bucket // wrong codes of the client's address and its networks
}

func (h *handler) sharedLimits(client netip.Addr) sharedLimits {
	issuer, day := h.flow.Sessions().Issuer(), 24*time.Hour
	provider := issuer + "\x00" + h.flow.Name()
	return sharedLimits{
		client: limit.Client(limit.Rule{Name: "magic mail client", Every: time.Hour, Burst: h.config.PerClient}, issuer, client),
		total:  limit.Shards(limit.Rule{Name: ruleTotal, Every: time.Hour, Burst: h.config.Total}, provider),
		wrong:  limit.Shards(limit.Rule{Name: "magic wrong total", Every: day, Burst: h.config.WrongCodes}, provider),
		guesses: limit.Client(
			limit.Rule{Name: "magic wrong client", Every: day, Burst: wrongPerMail * h.config.PerClient}, issuer, client),
	}
}

// addressLimits are the limits of an address. They lie in the part of its mails, so that one Write counts and sends.
// Those whose names end in Wide are limits of one wide network at the address: an IPv6 /48 or an IPv4 /24.
type addressLimits struct {
	mails, mailsKnown, reserve, reserveWide, guesses, guessesWide, guessesKnown limit.Bucket
}

func addressLimit(tag, id string, every time.Duration, burst int) limit.Bucket {
	return limit.Bucket{Rule: limit.Rule{Name: "magic " + id, Every: every, Burst: burst}, Key: store.Key{Part: partOf(tag), ID: id}}
}

// elsewhereLimit counts the links of an address that sign in another browser than the one that asked.
func elsewhereLimit(tag string) limit.Bucket {
	return addressLimit(tag, "elsewhere", 24*time.Hour, elsewherePerDay)
}

func (h *handler) addressLimits(tag string, client netip.Addr) addressLimits {
	const day = 24 * time.Hour
	networks := clientip.Networks(client)
	wide := func(id string, burst int) limit.Bucket {
		b := addressLimit(tag, id, day, burst)
		b.Key.ID += " " + hash(networks[len(networks)-1].Name)
		return b
	}
	return addressLimits{
		mails:        addressLimit(tag, "mails", time.Hour, h.config.PerAddress),
		mailsKnown:   addressLimit(tag, "mails known", time.Hour, mailsKnown),
		reserve:      addressLimit(tag, "mails reserve", time.Hour, mailsReserve),
		reserveWide:  wide("mails reserve wide", 1),
		guesses:      addressLimit(tag, "guesses", day, guessesPerDay),
		guessesWide:  wide("guesses wide", guessesWide),
		guessesKnown: addressLimit(tag, "guesses known", day, guessesKnown),
	}
}

// write writes changes that count a take. moved reports that somebody else wrote first, so that the caller reads again.
func (h *handler) write(ctx context.Context, changes ...store.Change) (moved bool, err error) {
	err = h.flow.Store().Write(ctx, changes...)
	if errors.Is(err, store.ErrConflict) {
		return true, nil
	}
	return false, err
}

// A tally writes what counts one deed in several parts of the store, all or nothing in one Write. It writes step by
// step if the store cannot, or after two conflicts: a crowd that writes one of the items must not keep the others from
// being counted.
type tally struct {
	*handler
	together int // how many tries may still write all in one
	done     int // how many steps are written
}

func (h *handler) newTally() tally {
	t := tally{handler: h}
	if store.WritesTwoParts(h.flow.Store()) {
		t.together = 2
	}
	return t
}

// pending reports whether a step is not written yet.
func (t *tally) pending(step int) bool { return t.done <= step }

// write writes the steps that are pending, in their order. moved reports that somebody else wrote first: the caller
// reads again, and plans the steps again that are pending then.
func (t *tally) write(ctx context.Context, steps ...[]store.Change) (moved bool, err error) {
	if t.together > 0 {
		t.together--
		if moved, err = t.handler.write(ctx, slices.Concat(steps...)...); !moved && err == nil {
			t.done = len(steps)
		}
		return moved, err
	}
	for t.pending(len(steps) - 1) {
		if moved, err = t.handler.write(ctx, steps[t.done]...); moved || err != nil {
			return moved, err
		}
		t.done++
	}
	return false, nil
}

// countWrong counts a wrong code at the provider, where all its addresses and clients are counted together. Once there
// were too many, mails carry links or longer codes, see hardened.
func (h *handler) countWrong(ctx context.Context, client netip.Addr) (crossed bool, err error) {
	buckets := h.sharedLimits(client).wrong
	err = limit.Retry(ctx, "magic wrong total", func() (bool, error) {
		state, err := limit.Read(ctx, h.flow.Store(), buckets...)
		if err != nil {
			return false, err
		}
		changes, err := state.TakeAny(h.now())
		if errors.Is(err, limit.ErrLimited) {
			return true, nil // there were too many already
		}
		if err != nil {
			return false, err
		}
		moved, err := h.write(ctx, changes...)
		crossed = !moved && err == nil && state.LeftInAll(h.now()) == 1
		return !moved, err
	})
	if errors.Is(err, limit.ErrLimited) { // a crowd of wrong codes: this one is missing in a sum of many
		err = nil
	}
	return crossed, err
}
