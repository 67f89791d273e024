package posterntest

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/posternauth/postern"
)

// Mail catches messages instead of sending them. The zero value is ready, and safe for concurrent use.
type Mail struct {
	mu       sync.Mutex
	messages []postern.Mail
	failure  error
}

// Send keeps a message. It fits postern.Config.Mail.
func (m *Mail) Send(ctx context.Context, message postern.Mail) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failure != nil {
		return m.failure
	}
	m.messages = append(m.messages, message)
	return nil
}

// Fail makes Send return err and keep nothing, until Fail(nil).
func (m *Mail) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failure = err
}

// Messages returns those that were sent, oldest first.
func (m *Mail) Messages() []postern.Mail {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.messages)
}

// Last returns the newest message to an address. The test fails if there is none.
func (m *Mail) Last(t T, to string) postern.Mail {
	t.Helper()
	for _, message := range slices.Backward(m.Messages()) {
		if strings.EqualFold(message.To, to) {
			return message
		}
	}
	t.Fatalf("posterntest: no mail was sent to %s", to)
	return postern.Mail{}
}
