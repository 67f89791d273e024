package passkey

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/text"
	"github.com/posternauth/postern/store"
)

func sorted(rows []row) []row {
	slices.SortStableFunc(rows, func(a, b row) int { return a.Created.Compare(b.Created) })
	return rows
}

// list shows the passkeys of the person who is signed in.
func (h *handler) list(w http.ResponseWriter, r *http.Request) {
	if p, ok := h.flow.Person(w, r, 0); ok {
		h.showList(w, r, p, "passkey.list", "")
	}
}

// showList shows the passkeys after what was done, if anything. Its data let the browser forget those that are gone.
func (h *handler) showList(w http.ResponseWriter, r *http.Request, who postern.Person, name, done string) {
	ctx := r.Context()
	rows, err := h.all(ctx, who.ID)
	var s *state
	if err == nil {
		s, err = h.load(ctx, who.ID, "")
	}
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	p := h.page(name, "Your passkeys", "")
	p.Args["passkeys"], p.Notice = len(rows), done
	if len(rows) == 0 {
		p.Text = "You have no passkeys yet."
	}
	p.Lines = h.lines(rows)
	if len(rows) > 0 {
		p.Forms = []postern.Form{h.alwaysForm(s)}
		p.Data = signals{
			Accepted: &acceptedCredentials{h.party.id, encoded(s.handle), ids(rows)},
			Details:  &userDetails{h.party.id, encoded(s.handle), personOf(s.handle, who).Name, personOf(s.handle, who).DisplayName},
		}.encode()
	}
	p.Links = append([]postern.Link{{Name: "enroll", Text: "Add a passkey", URL: h.flow.URL("enroll")}}, h.flow.AccountLink(r)...)
	h.flow.Page(w, r, p)
}

// lines are the passkeys in a list. Each leads to the page that renames and removes it.
func (h *handler) lines(rows []row) (list []postern.Line) {
	for _, one := range rows {
		list = append(list, postern.Line{Label: "{passkey}", Value: one.describe(), Args: one.args(), Link: &postern.Link{
			Name: "edit", Text: "Rename or remove", URL: h.flow.URL("edit?id=" + h.hash(one.ID)),
		}})
	}
	return list
}

// AccountLines lists the passkeys of a person on the page of the account.
func (h *handler) AccountLines(ctx context.Context, userID string) ([]postern.Line, error) {
	rows, err := h.all(ctx, userID)
	return h.lines(rows), err
}

// Pages are the pages to which a person comes back after a step-up, beside those of Manage and Factor.
func (h *handler) Pages() []string { return []string{"edit"} }

func ids(rows []row) []string {
	list := []string{}
	for _, r := range rows {
		list = append(list, encoded(r.ID))
	}
	return list
}

// label is what a passkey is called.
func (r row) label() string { return cmp.Or(r.Name, r.model()) }

// args are the values in texts about a passkey. A name that the person gave is shown as it is.
func (r row) args() map[string]any {
	args := map[string]any{"passkey": r.Name, "created": r.Created, "used": r.Used}
	if r.Name == "" {
		args["passkey"] = r.text()
	}
	return args
}

// describe says of a passkey what helps to know which one it is.
func (r row) describe() postern.Phrase {
	switch used := !r.Used.IsZero(); {
	case r.Synced && r.BackedUp && used:
		return postern.Phrase("Created {created, date}, last used {used, date}, synced between devices")
	case r.Synced && r.BackedUp:
		return postern.Phrase("Created {created, date}, synced between devices")
	case r.Synced && used:
		return postern.Phrase("Created {created, date}, last used {used, date}, can be synced, and is on one device")
	case r.Synced:
		return postern.Phrase("Created {created, date}, can be synced, and is on one device")
	case used:
		return postern.Phrase("Created {created, date}, last used {used, date}, on one device")
	}
	return postern.Phrase("Created {created, date}, on one device")
}

// one returns the passkey of the person that a request names. That of another person is none.
func (h *handler) one(w http.ResponseWriter, r *http.Request) (who postern.Person, s *state, ok bool) {
	if who, ok = h.flow.Person(w, r, proofAge); !ok {
		return who, nil, false
	}
	id := r.Form.Get("id")
	s, err := h.load(r.Context(), who.ID, id)
	if len(id) != 43 || !text.Base64URL(id) {
		err = errGone
	}
	if err == nil && !s.found {
		err = errGone
	}
	if err != nil {
		h.flow.Fail(w, r, err)
		return who, nil, false
	}
	return who, s, true
}

// edit shows the forms that rename and remove a passkey.
func (h *handler) edit(w http.ResponseWriter, r *http.Request) {
	if _, s, ok := h.one(w, r); ok {
		h.flow.Page(w, r, h.editPage(r.Form.Get("id"), s.row))
	}
}

func (h *handler) editPage(id string, one row) postern.Page {
	hidden := map[string]string{"id": id}
	return postern.Page{
		Name: "passkey.edit", Title: "{passkey}", Args: one.args(), Lines: []postern.Line{{Label: "About it", Value: one.describe()}}, Links: []postern.Link{{Name: "list", Text: "Your passkeys", URL: h.flow.URL("list")}},
		Forms: []postern.Form{
			{Name: "rename", Title: "Rename", Action: h.flow.URL("rename"), Hidden: hidden, Submit: "Rename", Fields: []postern.Field{
				{Name: "name", Label: "Name", Value: one.label(), MaxLength: maxName, Required: true}}},
			{Name: "remove", Title: "Remove", Danger: true, Action: h.flow.URL("remove"), Hidden: hidden, Submit: "Remove {passkey}"},
		},
	}
}

const maxName = 64 // characters

// rename changes what a passkey is called.
func (h *handler) rename(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r, "id", "name"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	who, s, ok := h.one(w, r)
	if !ok {
		return
	}
	typed := r.PostForm.Get("name")
	name := text.Line(typed, 4*maxName)
	if name == "" || len(typed) > 4*maxName || utf8.RuneCountInString(name) > maxName {
		p := h.editPage(r.PostForm.Get("id"), s.row)
		again(&p, errName)
		h.flow.Page(w, r, p)
		return
	}
	s.row.Name = name
	if err := h.store.Write(r.Context(), h.put(who.ID, s.row)); err != nil {
		h.flow.Fail(w, r, written(err))
		return
	}
	h.flow.Emit(r.Context(), r, postern.Event{Name: "passkey renamed", UserID: who.ID})
	h.showList(w, r, who, "passkey.renamed", "The passkey was renamed.")
}

// remove removes a passkey, unless it is the last way in. The head is read before the ways are, and written with the
// removal, so of two people who remove two ways at once one is refused.
func (h *handler) remove(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r, "id"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	who, s, ok := h.one(w, r)
	if !ok {
		return
	}
	ctx := r.Context()
	e := postern.Enrolment{Passkeys: -1, Event: "passkey removed", Notice: noticeRemoved(s.row.text())}
	if s.head.Ways.Passkeys <= 1 {
		ways, err := h.flow.WaysIn(ctx, who)
		if err == nil && len(ways) == 0 {
			err = errLast
		}
		if err != nil {
			h.flow.Fail(w, r, unavailable(err))
			return
		}
		e.Count = -s.head.Factors[h.flow.Name()] // without a passkey nobody can be asked for one
	}
	owner, err := h.store.Get(ctx, head.CredentialClaim(h.hash(s.row.ID)))
	if err != nil {
		h.flow.Fail(w, r, unavailable(err))
		return
	}
	e.Changes = []store.Change{store.Delete(h.key(who.ID, rowStart+h.hash(s.row.ID)), s.row.item.Version)}
	for _, item := range owner {
		e.Changes = append(e.Changes, store.Delete(item.Key, item.Version))
	}
	if _, err := h.flow.Enroll(w, r, e); err != nil {
		h.flow.Fail(w, r, unavailable(err))
		return
	}
	h.showList(w, r, who, "passkey.removed", "The passkey was removed.")
}
