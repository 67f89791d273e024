package serve

import "testing"

// TestForwardRule_FitsWhatProgramsRouteAlike: a rule adds needs also for spellings that a program behind the proxy may
// serve like the path of the rule.
func TestForwardRule_FitsWhatProgramsRouteAlike(t *testing.T) {
	for path, want := range map[string]bool{
		"/a/admin": true, "/a/admin/": true, "/A/Admin/users": true, "*": true,
		"/a/admin.json": true, "/a/admin.": true, "/a/admin.json/x": true, "/a./admin": true,
		"/a/admin::$DATA": true, "/a/admin;v=1": true,
		"/a/admin ": true, "/a/ admin": true, "/a/admin\t": true, "/a/admin\u00a0": true, "/a/admin\u3000x": true,
		"/a/admin\u200b": true, "/a/ad\u00admin": true, "/a/\ufeffadmin": true, "/a/admin\x00": true, "/a\u200b/admin": true,
		"/a/adm\u0131n": false, "/a/administrators": false, "/a/admin-x": false, "/a": false, "/a/b/admin": false, "/": false,
	} {
		if got := (ForwardRule{Path: "/a/admin"}).fits(path); got != want {
			t.Errorf("%q: %v", path, got)
		}
	}
	if !(ForwardRule{Path: "/desk"}).fits("/de\u017f\u212a.json") {
		t.Error("letters that differ from s and k by their case alone do not fit")
	}
	for _, path := range []string{"/", "/x", "/.x", "*"} {
		if !(ForwardRule{Path: "/"}).fits(path) {
			t.Errorf("/ does not fit %q", path)
		}
	}
}
