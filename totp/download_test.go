package totp_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestRecovery_Download: the page with the codes has a form that answers with them as a text file. They come from the
// page: nothing is kept, logged or written.
func TestRecovery_Download(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.enroll("ada")
	codes := b.codes()
	before := w.store.all()
	a := b.checked(b.post("/factors/recovery/download", "codes", strings.Join(codes, " ")))
	h := a.Header()
	if a.Code != 200 || h.Get("Content-Type") != "text/plain; charset=utf-8" || h.Get("Content-Disposition") != `attachment; filename="recovery-codes.txt"` ||
		h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Cache-Control"), "no-store") {
		t.Errorf("%d %v", a.Code, h)
	}
	if body := a.Body.String(); !strings.HasSuffix(body, "\n\n"+strings.Join(codes, "\n")+"\n") || !strings.HasPrefix(body, "Example Shop\n\n") {
		t.Errorf("%q", body)
	}
	if after := w.store.all(); after != before {
		t.Error("the download wrote to the store")
	}
	for _, code := range codes {
		for _, form := range []string{code, strings.ReplaceAll(code, "-", "")} {
			if strings.Contains(w.Log.String(), form) || strings.Contains(before, form) {
				t.Fatal("a code stands in the log or in the store")
			}
		}
	}
}

// TestRecovery_DownloadRefuses: the file has nothing but codes, also if somebody else made the form.
func TestRecovery_DownloadRefuses(t *testing.T) {
	const code = "0123-4567-89AB-CDEF"
	b := newWorld(t).browser()
	for _, codes := range []string{"", " ", "one", code + " <script>", code + " visit-evil.example", strings.Repeat(code+" ", 11), strings.Repeat("A", 3000), code + "\x00"} {
		a := b.post("/factors/recovery/download", "codes", codes)
		if a.Code != 400 || a.Header().Get("Content-Disposition") != "" || strings.Contains(a.Body.String(), "evil") {
			t.Errorf("%.40q: %d %v", codes, a.Code, a.Header())
		}
	}
	if a := b.get("/factors/recovery/download?codes=" + code); a.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", a.Code)
	}
	r := b.Request(http.MethodPost, issuer+"/factors/recovery/download", map[string][]string{"codes": {code}})
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if a := b.Do(r); a.Code != http.StatusForbidden || strings.Contains(a.Body.String(), code) {
		t.Errorf("a form of another site: %d %s", a.Code, a.Body)
	}
}
