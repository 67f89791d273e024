package main

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

// TestUsage_NamesTheMistake: the error is about the first thing that is wrong, and each usage error ends with the help
// to look into.
func TestUsage_NamesTheMistake(t *testing.T) {
	t.Setenv(vaultKeyEnv, "")
	os.Unsetenv(vaultKeyEnv)
	for args, want := range map[string][2]string{
		"dev --prot 3":                       {"unknown flag --prot", "postern dev"},
		"dev --for http://localhost:1 -x":    {"unknown flag -x", "postern dev"},
		"dev x":                              {"unexpected argument x", "postern dev"},
		"keys list --vault nope:x":           {"its scheme is not known", "postern keys list"},
		"keys list --vault nope":             {"is not a URL", "postern keys list"},
		"keys list --vault dynamodb:":        {"its scheme is not known", "postern keys list"},
		"keys list --vault file:x":           {"the key that seals the vault is missing", "postern keys list"},
		"sessions list --store mysql://a u1": {"its scheme is not known", "postern sessions list"},
	} {
		t.Chdir(t.TempDir())
		out, errs, status := call(t, "", strings.Fields(args)...)
		if status != statusUsage || out != "" || !strings.Contains(errs, want[0]) || !strings.HasSuffix(errs, "\nTry: "+want[1]+" --help\n") {
			t.Errorf("%s: %d %s%s", args, status, out, errs)
		}
	}
}

// TestKeys_KeyFileIsNoFile: a device or a folder holds no key, so nothing was read by others.
func TestKeys_KeyFileIsNoFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs /dev/null")
	}
	for _, path := range []string{"/dev/null", t.TempDir()} {
		_, errs, status := call(t, "", "keys", "list", "--vault", "file:x", "--vault-key-file", path)
		if status != statusNo || !strings.Contains(errs, path+" is a device or a folder") || strings.Contains(errs, "rotate") {
			t.Errorf("%s: %d %s", path, status, errs)
		}
	}
}

// TestIDs_ThatStartWithAHyphen: one ID in 64 starts with one, and it is an argument all the same.
func TestIDs_ThatStartWithAHyphen(t *testing.T) {
	key, session := "-"+strings.Repeat("k", 42), "--hzNhXZytBnK235.oC_bLjNRj_CvExhEF3ZeLQ"
	for _, tc := range [][2]string{
		{"sessions show --data d " + session, "sessions show --data d -- " + session},
		{"keys revoke " + key + " --data d", "keys revoke --data d -- " + key},
		{"sessions show " + session[:38], "sessions show " + session[:38]}, // too short: a flag
		{"sessions show --" + session, "sessions show --" + session},
		{"keys revoke -- " + key, "keys revoke -- " + key},
		{"dev --port 3", "dev --port 3"},
	} {
		if got := strings.Join(idsLast(strings.Fields(tc[0])), " "); got != tc[1] {
			t.Errorf("%s: %s, want %s", tc[0], got, tc[1])
		}
	}
	_, errs, status := call(t, "", "sessions", "show", "--data", t.TempDir(), session)
	if status == 0 || strings.Contains(errs, "unknown flag") {
		t.Errorf("show: %d %s", status, errs)
	}
}

// TestUsage_EmptyPlace: a place of an empty variable is a mistake, and not the place that a command has by default.
func TestUsage_EmptyPlace(t *testing.T) {
	t.Chdir(t.TempDir())
	if out, errs, status := call(t, "", "keys", "rotate"); status != statusOK {
		t.Fatalf("keys rotate: %d %s%s", status, out, errs)
	}
	for _, line := range [][]string{
		{"keys", "revoke", "--all", "--config", ""}, {"keys", "list", "--config="}, {"keys", "rotate", "--vault", ""}, {"migrate", "--store="},
		{"users", "list", "--config", ""}, {"sessions", "list", "--store", "", "ana"}, {"secrets", "list", "--app", "shop", "--in", ""},
		{"serve", "--config", ""}, {"doctor", "--config", ""},
	} {
		if out, errs, status := call(t, "", line...); status != statusUsage || !strings.Contains(errs, "is empty: give it a value, or leave it out") {
			t.Errorf("%q: %d %s%s", line, status, out, errs)
		}
	}
	if out, errs, status := call(t, "", "keys", "list"); status != statusOK || strings.Contains(out, "revoked") {
		t.Errorf("keys list: %d %s%s", status, out, errs)
	}
}
