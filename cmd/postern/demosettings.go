package main

import "net/http"

// authSettings are what the demo page changes of the auth handler, one bit each. They last until the program ends.
type authSettings uint32

// An authSetting is one of them, for the page.
type authSetting struct {
	Name, Label string
	On          bool
}

var settingNames = []authSetting{
	{Name: "first", Label: "Ask for the address first, and then how to sign in"},
	{Name: "offer", Label: "Offer a passkey after a sign-in by password or mail"},
	{Name: "demand", Label: "Demand a second factor of everybody"},
}

func (s authSettings) first() bool  { return s&1 != 0 }
func (s authSettings) offer() bool  { return s&2 != 0 }
func (s authSettings) demand() bool { return s&4 != 0 }

// auth serves the auth handler with the settings of now.
func (d *demo) auth(w http.ResponseWriter, r *http.Request) {
	h := d.handlers[int(d.settings.Load())%len(d.handlers)]
	if _, pattern := h.Handler(r); pattern == "" {
		d.nothing(w, r)
		return
	}
	h.ServeHTTP(w, r)
}

// shown are the settings of now.
func (d *demo) shown() []authSetting {
	now, all := d.settings.Load(), []authSetting{}
	for i, s := range settingNames {
		s.On = now&(1<<i) != 0
		all = append(all, s)
	}
	return all
}

// choose takes the settings of the form.
func (d *demo) choose(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<10)
	chosen := uint32(0)
	for i, s := range settingNames {
		if r.PostFormValue(s.Name) != "" {
			chosen |= 1 << i
		}
	}
	d.settings.Store(chosen)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, "/?saved", http.StatusSeeOther)
}
