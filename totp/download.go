package totp

import (
	"net/http"
	"strings"

	"github.com/posternauth/postern/internal/words"
)

var errNoCodes = refusal(http.StatusBadRequest, "invalid_request", "There are no recovery codes in this form. Make new ones.")

// download answers with the codes that the form carries, as a text file. Nobody keeps them here, so they come back from
// the page that showed them. It takes nothing but what has the shape of codes, and changes nothing: no text of somebody
// else comes out of it as a file of this site.
func (h *recovery) download(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r, "codes"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	typed := strings.Fields(r.PostForm.Get("codes"))
	if len(typed) == 0 || len(typed) > recoveryCount {
		h.flow.Fail(w, r, errNoCodes)
		return
	}
	var codes []string
	for _, one := range typed {
		code, ok := readRecoveryCode(one)
		if !ok {
			h.flow.Fail(w, r, errNoCodes)
			return
		}
		codes = append(codes, grouped(code, "-"))
	}
	body := words.Paragraphs(h.app, h.flow.Sessions().Now().UTC().Format("2006-01-02"), strings.Join(codes, "\n")) + "\n"
	head := w.Header()
	head.Set("Content-Type", "text/plain; charset=utf-8")
	head.Set("Content-Disposition", `attachment; filename="recovery-codes.txt"`)
	_, _ = w.Write([]byte(body)) // a client that has gone needs no file
}
