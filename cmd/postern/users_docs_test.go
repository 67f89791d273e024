package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUsers_Docs runs each `postern users` line of the documents, in order, beside the files that they name.
func TestUsers_Docs(t *testing.T) {
	files, texts := map[string][]byte{"hash-parameters.txt": []byte(firebaseHash)}, map[string]string{}
	paths, err := filepath.Glob(exports + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(paths, "../../docs/users.md", "../../docs/coming-from.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if name := filepath.Base(path); filepath.Ext(name) == ".md" {
			texts[name] = string(text)
		} else {
			files[name] = text
		}
	}
	for name, least := range map[string]int{"users.md": 9, "coming-from.md": 9} {
		ran := 0
		var w *usersWorld
		for i, line := range strings.Split(texts[name], "\n") {
			words, isUsers := strings.CutPrefix(line, "postern users ")
			if !isUsers {
				continue
			}
			if w == nil || strings.HasPrefix(words, "import") { // these files have the same people
				w = newUsersWorld(t)
				t.Chdir(w.data)
				for file, text := range files {
					if err := os.WriteFile(file, text, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			args := shellWords(words)
			out, errs, status := call(t, "", append(append([]string{"users", args[0]}, w.base...), args[1:]...)...)
			// Some of the files have a record that cannot be read, which the documents explain.
			if status != statusOK && !(args[0] == "import" && strings.Contains(errs, "not imported")) {
				t.Errorf("docs/%s:%d: %d %s%s", name, i+1, status, out, errs)
			}
			ran++
		}
		if ran < least {
			t.Errorf("docs/%s: %d commands ran: this test would test nothing", name, ran)
		}
	}
}

// shellWords splits a command line of the documents at spaces outside double quotes, up to a redirection.
func shellWords(line string) (words []string) {
	line, _, _ = strings.Cut(line, " > ")
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}
