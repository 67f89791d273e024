package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/posternauth/postern"
	server "github.com/posternauth/postern/internal/serve"
)

// TestServe_SES: mails by Amazon SES have the configuration set, and end after mail.timeout.
func TestServe_SES(t *testing.T) {
	asked := make(chan string, 8)
	ses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ ConfigurationSetName string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		asked <- in.ConfigurationSetName
		if in.ConfigurationSetName == "slow" {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"MessageId": "1"}`))
	}))
	defer ses.Close()
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": ses.URL, "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "id",
		"AWS_SECRET_ACCESS_KEY": "key", "AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none} {
		t.Setenv(name, value)
	}
	mail := postern.Mail{To: "ada@example.com", Subject: "Sign in", Text: "481516"}
	for set, timeout := range map[string]time.Duration{"auth": time.Minute, "slow": 100 * time.Millisecond} {
		send, err := openSES(t.Context(), server.Mail{From: "Example <no-reply@example.com>", ConfigurationSet: set, Timeout: timeout})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if err := send(t.Context(), mail); (err == nil) != (set == "auth") || time.Since(begun) > 9*time.Second {
			t.Errorf("%s: %v after %s", set, err, time.Since(begun))
		}
		if got := <-asked; got != set {
			t.Errorf("the configuration set is %q, want %q", got, set)
		}
	}
}
