package postern

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/store"
)

const (
	historyLife = 90 * 24 * time.Hour
	historyMax  = 200
	historyTidy = 16    // of so many events one removes what is older than the newest 200
	historyRow  = "ev:" // the rows lie in the part of the user, the newest first
)

// historyOf are the events that a person sees in the history of their account, beside those of the factors: see
// [Enrolment] and [Passing]. Others are for the audit log.
var historyOf = map[string]bool{
	eventSignIn: true, "user created": true, "step-up": true, "identity linked": true, "identity unlinked": true,
	"account changed": true, "account exported": true, "address change begun": true, "address changed": true,
	"address removed": true, "address change stopped": true, "address change undone": true, "account frozen": true, "account unfrozen": true,
	eventBegun: true, eventEnded: true,
	"password set": true, "password changed": true, "password reset": true, "password removed": true,
	"factors reset": true, "passkeys removed": true, "passkey renamed": true, "passkey cloned": true,
	"password change demanded": true, "address confirmed": true, "password unlocked": true,
	"factor guessed": true, "browser remembered": true, "browser forgotten": true,
}

// A HistoryEntry is one event of an account. Its owner sees it, and an administrator with the scope events:read.
type HistoryEntry struct {
	Time     time.Time `json:"time"`
	Event    string    `json:"event"` // with "_" for spaces
	Provider string    `json:"provider,omitempty"`
	Device   string    `json:"device,omitempty"`
	Address  string    `json:"address,omitempty"`
}

// remember writes an event into the history of its user. Best effort: an event that is not written is in the audit log
// all the same.
func (a *Auth) remember(ctx context.Context, e Event) {
	if a.session == nil || e.UserID == "" {
		return
	}
	if err := a.keepHistory(ctx, e); err != nil {
		a.log.WarnContext(ctx, "postern: an event is missing in the history of an account", "event", e.Name, "cause", err)
	}
}

// keepHistory is remember with an error. Where an administrator is shown to the person as the cause, their device and
// address are not.
func (a *Auth) keepHistory(ctx context.Context, e Event) error {
	now := a.sessions.Now()
	entry := HistoryEntry{Time: now.UTC(), Event: strings.ReplaceAll(e.Name, " ", "_"), Provider: e.Provider, Device: e.Agent, Address: e.Addr}
	if e.Provider == flowAdmin {
		entry.Device, entry.Address = "", ""
	}
	value, err := json.Marshal(entry)
	if err != nil {
		return fmt.Errorf("postern: encoding an entry of the history: %w", err)
	}
	// The newest has the smallest number, so that a page of the list is the newest events. The events of one deed come
	// within a millisecond: the second number keeps their order.
	id := fmt.Sprintf("%s%016x-%08x-%s", historyRow, 1<<52-now.UnixMilli(), ^a.entries.Add(1), rand.Text()[:8])
	item := store.Item{Key: store.Key{Part: a.partOfUser(e.UserID), ID: id}, Value: value, Expires: now.Add(historyLife)}
	if err := a.store.Write(ctx, store.Put(item)); err != nil {
		return unavailable(err)
	}
	if mathrand.N(historyTidy) == 0 {
		_, _ = a.readHistory(ctx, e.UserID) // best effort: it is tidied again soon
	}
	return nil
}

// readHistory returns the newest events of a user, and removes those beyond the newest 200.
func (a *Auth) readHistory(ctx context.Context, userID string) ([]HistoryEntry, error) {
	out := []HistoryEntry{}
	var surplus []store.Change
	after, now := historyRow, a.sessions.Now()
	for range 10 {
		items, next, err := a.store.List(ctx, a.partOfUser(userID), after, 100)
		if err != nil {
			return nil, unavailable(err)
		}
		for _, item := range items {
			if !strings.HasPrefix(item.Key.ID, historyRow) {
				next = ""
				break
			}
			var e HistoryEntry
			if json.Unmarshal(item.Value, &e) != nil || now.Sub(e.Time) > historyLife {
				continue
			}
			if len(out) < historyMax {
				out = append(out, e)
			} else {
				surplus = append(surplus, store.Delete(item.Key, item.Version))
			}
		}
		if after = next; next == "" {
			break
		}
	}
	for batch := range slices.Chunk(surplus, 20) {
		_ = a.store.Write(ctx, batch...) // the next look removes them
	}
	return out, nil
}

func (a *Auth) showHistory(w http.ResponseWriter, r *http.Request, _ string) error {
	l, _, err := a.owner(w, r)
	if err != nil {
		return err
	}
	events, err := a.readHistory(r.Context(), l.subject)
	if err != nil {
		return err
	}
	return answerJSON(w, http.StatusOK, map[string]any{"events": events})
}
