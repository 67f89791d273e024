package provision

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// An Event is a delivery that was verified.
type Event struct {
	ID     string      // of the delivery: what WebhookConfig.ID or the scheme says, else a hash of the body
	Time   time.Time   // of the delivery as the sender signed it; zero if it signs none
	Header http.Header // not signed, except for what the scheme covers
	Body   []byte      // as received
	Form   url.Values  // of a form; nil for JSON
}

// JSON decodes the body into v. It returns an error for a form.
func (e Event) JSON(v any) error {
	if e.Form != nil {
		return fmt.Errorf("%w: the delivery is a form", ErrRefused)
	}
	if err := json.Unmarshal(e.Body, v); err != nil {
		return fmt.Errorf("%w: the delivery is not the JSON that is expected", ErrRefused) // err could repeat a value
	}
	return nil
}
