package audit

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/posternauth/postern/internal/text"
	"github.com/posternauth/postern/session"
)

// maxField is the largest size of one field of an entry, in bytes. Longer ones are cut.
const maxField = 1024

// An entry is an event as the sinks write it. The names are part of the formats: they never change their meaning.
type entry struct {
	Event    string    `json:"event"`
	Time     time.Time `json:"time"`
	Kind     string    `json:"kind,omitempty"`
	Subject  string    `json:"subject,omitempty"`
	User     string    `json:"user,omitempty"`
	Session  string    `json:"session,omitempty"`
	Actor    string    `json:"actor,omitempty"`
	Provider string    `json:"provider,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Address  string    `json:"address,omitempty"`
	Agent    string    `json:"agent,omitempty"`
	Error    string    `json:"error,omitempty"`
}

// entryOf copies an event. Texts from outside become one line each, without characters that a terminal obeys.
func entryOf(e session.Event) entry {
	n := entry{
		Event: e.Name, Time: e.Time.UTC(), Kind: e.Kind, Subject: e.Subject, User: e.UserID, Session: e.SessionID,
		Actor: e.Actor, Provider: e.Provider, Reason: e.Reason, Address: e.Addr, Agent: e.Agent,
	}
	if e.Time.IsZero() {
		n.Time = time.Now().UTC()
	}
	if e.Err != nil {
		n.Error = e.Err.Error()
	}
	for _, f := range n.texts() {
		*f.value = text.Line(*f.value, maxField)
	}
	return n
}

// A field is a text of an entry with its name.
type field struct {
	name  string
	value *string
}

func (n *entry) texts() []field {
	return []field{
		{"event", &n.Event}, {"kind", &n.Kind}, {"subject", &n.Subject}, {"user", &n.User}, {"session", &n.Session},
		{"actor", &n.Actor}, {"provider", &n.Provider}, {"reason", &n.Reason}, {"address", &n.Address},
		{"agent", &n.Agent}, {"error", &n.Error},
	}
}

// json returns the entry as one line of JSON.
func (n *entry) json() ([]byte, error) {
	data, err := json.Marshal(n)
	if err != nil { // a time beyond the year 9999
		return nil, fmt.Errorf("audit: encoding an event: %w", err)
	}
	return data, nil
}
