package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// errorCode finds the stable codes of refusals where the library writes them.
var errorCode = regexp.MustCompile(`(?:badRequest|refusal|Deny)\((?:http\.Status\w+, )?"([a-z_]+)", |Code: +"([a-z_]+)"|[wW]rite\(w, (?:http\.Status\w+|status), "([a-z_]+)"|Unmet\(w, http\.Status\w+, "([a-z_]+)"|code :?= "([a-z_]+)"|code\w+ += "([a-z_]+)"|return "([a-z]+_[a-z_]+)"$|refuse\(w, http\.Status\w+, "([a-z_]+)"`)

// TestDocs_EveryErrorCode: docs/troubleshooting.md explains each code that a client can get, and no code that none can.
func TestDocs_EveryErrorCode(t *testing.T) {
	page := documents(t)["docs/troubleshooting.md"]
	written := map[string]string{}
	for _, folder := range []string{".", "session", "magic", "oauth", "oidc", "password", "passkey", "totp", "gateway", "lambdahttp", "internal/authcode", "internal/httperr", "provision", "users"} {
		files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", folder, len(files), err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, "session/errors.go") { // the codes of Reason are for logs
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				for _, m := range errorCode.FindAllStringSubmatch(strings.TrimSpace(line), -1) {
					written[strings.Join(m[1:], "")] = file
				}
			}
		}
	}
	if len(written) < 40 {
		t.Fatalf("%d codes found: the pattern is wrong", len(written))
	}
	for code, file := range written {
		if !strings.Contains(page, "`"+code+"`") {
			t.Errorf("%s: the code %s is not in docs/troubleshooting.md", file, code)
		}
	}
	first := regexp.MustCompile("(?m)^\\| ((?:`[a-z_]+`(?:, )?)+) \\| [0-9]")
	for _, row := range first.FindAllStringSubmatch(page, -1) {
		for code := range strings.SplitSeq(strings.ReplaceAll(row[1], "`", ""), ", ") {
			if written[code] == "" {
				t.Errorf("docs/troubleshooting.md explains %s, which the library does not write", code)
			}
		}
	}
}
