package session

import (
	"encoding/json"
	"testing"
)

// TestGlance: what is read at a glance is what is read in full, of good rows and bad ones.
func TestGlance(t *testing.T) {
	good := row{
		Kind: "user", Subject: "u\"1\u00e9", Created: 1779019020000, At: 1779019021000, Seen: 1779019022000, Absolute: 1781019020000,
		Number: 7, Kid: "k", Salt: "salt", Epoch: 3, Device: `{"kind":"other","ended":"reuse"}`,
		Grant: &savedGrant{Properties: json.RawMessage(`{"ended":"reuse","epoch":9}`)}, Data: json.RawMessage(`{"kind":"x"}`),
	}
	ended := good
	ended.Ended, ended.Grant, ended.Seen = "reuse", nil, 0
	var texts []string
	for _, r := range []row{good, ended} {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
		// Without one member each, and with one made null or of another type.
		var members map[string]json.RawMessage
		if err := json.Unmarshal(text, &members); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"kind", "sub", "created", "at", "seen", "absolute", "epoch", "ended", "salt"} {
			old := members[name]
			for _, v := range []string{"", `""`, "0", "[1]"} {
				if name == "salt" && (v == "0" || v == "[1]") {
					continue // glance does not look into it
				}
				if delete(members, name); v != "" {
					members[name] = json.RawMessage(v)
				}
				changed, err := json.Marshal(members)
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, string(changed))
			}
			if delete(members, name); old != nil {
				members[name] = old
			}
		}
	}
	texts = append(texts, "", "null", "[]", "{", "{}", `"a"`)
	refused := 0
	for _, text := range texts {
		var full, quick row
		whole, glance := full.read([]byte(text)), quick.readLiveness([]byte(text))
		if whole != nil {
			refused++
		}
		if (whole == nil) != (glance == nil) {
			t.Errorf("%s: read %v, glance %v", text, whole, glance)
			continue
		}
		if whole == nil && (full.Kind != quick.Kind || full.Subject != quick.Subject || full.Created != quick.Created || full.At != quick.At || full.Seen != quick.Seen ||
			full.Absolute != quick.Absolute || full.Epoch != quick.Epoch || full.Ended != quick.Ended) {
			t.Errorf("%s: read %+v, glance %+v", text, full, quick)
		}
	}
	if refused < 10 {
		t.Errorf("only %d of %d rows were refused by read: the cases are too tame", refused, len(texts))
	}
}
