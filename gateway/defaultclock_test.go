package gateway_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/session"
)

// TestNew_DefaultClock: without Config.Now the clock is time.Now, so AppSync is asked to keep an answer no longer than
// the token lives.
func TestNew_DefaultClock(t *testing.T) {
	w := newWorld(t, func(c *session.Config) { c.Now = time.Now })
	brief := session.NewKindConfig(w.sessions, session.KindConfig[User]{Name: "brief", Stateless: true, Access: 30 * time.Second})
	tokens := must(brief.Create(t.Context(), session.Grant[User]{Subject: "u1"}))(t)
	a := must(gateway.New(gateway.Config{Guard: brief}))(t)
	event := must(json.Marshal(map[string]any{"authorizationToken": tokens.Access, "requestContext": map[string]any{"apiId": "a", "queryString": "{a}"}}))(t)
	var answer struct {
		IsAuthorized bool
		TTLOverride  int // seconds
	}
	if err := json.Unmarshal(must(a.Invoke(t.Context(), event))(t), &answer); err != nil {
		t.Fatal(err)
	}
	if !answer.IsAuthorized || answer.TTLOverride < 1 || answer.TTLOverride > 30 {
		t.Errorf("%+v", answer)
	}
}
