package archtest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// textFolders are the packages whose texts people read.
var textFolders = []string{".", "users", "oidc", "oauth", "internal/mailaddr", "internal/authcode", "magic", "password", "passkey", "totp", "internal/useragent"}

// whole are the catalogues whose every text must be found in the code. Those of package ui are checked there. A text of
// the others can come out of a function that returns it together with its values, which the search does not follow.
var whole = []string{"postern.json", "errors.json", "mails.json", "totp.json"}

// own are the catalogues of parts of the code, by how the place begins. Without its catalogue a part is not checked.
var own = map[string]string{
	"users/console": "admin.json", "account_page": "account.json", "magic": "magic.json", "password": "password.json", "totp": "totp.json",
	"passkey": "passkey.json",
}

// TestTexts: a text on a page or in a mail is a constant, and the English catalogue has it; and the catalogue has no
// text that is nowhere.
func TestTexts(t *testing.T) {
	keys, seen := map[string]string{}, map[string]bool{} // by text
	files, err := filepath.Glob(filepath.Join(root, "ui/texts/en/*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d catalogues, %v", len(files), err)
	}
	where := map[string]string{}
	for _, file := range files {
		if filepath.Base(file) == "about.json" {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts := map[string]string{}
		if err := json.Unmarshal(raw, &texts); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for key, text := range texts {
			if other, twice := where[key]; twice {
				t.Errorf("the key %s is in %s and in %s", key, filepath.Base(other), filepath.Base(file))
			}
			where[key] = file
			keys[text] = key
		}
	}
	count := 0
	for _, folder := range textFolders {
		if name, checked := catalogueOf(folder, files); !checked {
			t.Logf("%s has no %s yet", folder, name)
			continue
		}
		found, err := findTexts(os.DirFS(root), folder)
		if err != nil || len(found.files) == 0 {
			t.Fatalf("%s: %d files, %v", folder, len(found.files), err)
		}
		for _, fault := range found.faults {
			if _, checked := catalogueOf(fault, files); checked {
				t.Error(fault)
			}
		}
		for _, text := range found.texts {
			seen[text.text] = true
			count++
			if _, checked := catalogueOf(text.at, files); keys[text.text] == "" && checked {
				t.Errorf("%s: no key in ui/texts/en: %q", text.at, text.text)
			}
		}
	}
	if count < 200 {
		t.Fatalf("%d texts found: the search is wrong", count)
	}
	for text, key := range keys {
		if file := where[key]; !seen[text] && slices.Contains(whole, filepath.Base(file)) {
			t.Errorf("%s: %s: the code has no such text: %q", filepath.Base(file), key, text)
		}
	}
}

// catalogueOf returns the catalogue of a place in the code, and whether it is there. The other places
// are in those of the root.
func catalogueOf(at string, files []string) (name string, found bool) {
	for start, file := range own {
		if strings.HasPrefix(at, start) {
			return file, slices.Contains(files, filepath.Join(root, "ui/texts/en", file))
		}
	}
	return "", true
}
