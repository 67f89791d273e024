package users

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// keysPage shows the states of the signing keys and of the master secrets, and adds one of each.
func (c *console) keysPage() (postern.Page, error) {
	p := postern.Page{Name: "admin.keys", Title: "Keys"}
	signing, secrets, err := c.flow.Sessions().KeyStates(c.r.Context())
	switch {
	case errors.Is(err, session.ErrNoSigner):
		p.Text = "The keys of this program cannot be rotated here."
		return p, nil
	case err != nil:
		return p, err
	}
	p.Text = "A new key waits for three hours until every program knows it, and then signs. The one before it still verifies until nothing that it signed can be in use."
	p.Forms = []postern.Form{{Name: "rotate", Action: c.home + "keys/rotate", Submit: "Add a key and a secret", Text: "Three times a day at most, for all administrators together."}}
	p.Sections = []postern.Section{
		{Name: "keys", Title: "Signing keys", Table: keyTable(signing)},
		{Name: "secrets", Title: "Master secrets", Table: keyTable(secrets)},
	}
	return p, nil
}

func keyTable(all []keys.KeyInfo) *postern.Table {
	t := &postern.Table{Columns: []string{"Key", "Algorithm", "State", "Created", "In use from", "Until"}, Empty: "There are none."}
	for _, k := range slices.Backward(all) { // the newest first
		var algorithm any = string(k.Algorithm)
		if k.Algorithm == "" {
			algorithm = postern.Phrase("Secret")
		}
		from, until := timeOf(k.Activates), any(postern.Phrase("Not decided yet"))
		switch {
		case !k.Revoked.IsZero():
			until = k.Revoked
		case !k.Retires.IsZero():
			until = k.Retires
		}
		t.Rows = append(t.Rows, []postern.Cell{{Value: k.ID}, {Value: algorithm}, {Value: keyState(k.State)}, {Value: k.Created}, {Value: from}, {Value: until}})
	}
	return t
}

func keyState(s keys.State) any {
	switch s {
	case keys.StatePending:
		return postern.Phrase("Next")
	case keys.StateSigning:
		return postern.Phrase("Current")
	case keys.StatePassive:
		return postern.Phrase("Verifies only")
	case keys.StateRetired:
		return postern.Phrase("Retired")
	case keys.StateRevoked:
		return postern.Phrase("Revoked")
	}
	return string(s)
}

// settingsPage lists what the configuration says. It changes nothing, and has no secret.
func (c *console) settingsPage() (postern.Page, error) {
	table := &postern.Table{Columns: []string{"Setting", "Value", "From"}}
	add := func(name string, value any, isDefault bool) {
		from := postern.Phrase("Program")
		if isDefault {
			from = postern.Phrase("Default")
		}
		table.Rows = append(table.Rows, []postern.Cell{{Value: name}, {Value: value}, {Value: from}})
	}
	for _, s := range c.flow.Settings() {
		add(s.Name, s.Value, s.Default)
	}
	add("users.Config.Pool", c.dir.pool, c.dir.pool == c.dir.sessions.Issuer())
	add("users.Config.AllowUsernames", yesNo(c.dir.names), !c.dir.names)
	roles := &postern.Table{Columns: []string{"Role", "Scopes"}, Empty: "No roles are configured."}
	for _, role := range slices.Sorted(maps.Keys(c.dir.roles)) {
		roles.Rows = append(roles.Rows, []postern.Cell{{Value: role}, {Value: strings.Join(c.dir.roles[role], " ")}})
	}
	return postern.Page{Name: "admin.settings", Title: "Settings",
		Text:     "What the program was started with. To change it, change the program.",
		Sections: []postern.Section{{Name: "settings", Title: "Configuration", Table: table}, {Name: "roles", Title: "Roles", Table: roles}},
	}, nil
}

func yesNo(b bool) postern.Phrase {
	if b {
		return postern.Phrase("Yes")
	}
	return postern.Phrase("No")
}
