package postern

import (
	"net/netip"

	"github.com/posternauth/postern/internal/text"
)

const maxPlace = 100 // bytes of a text of Config.Place

// withPlace is an address as people see it: with the place of Config.Place, if there is one.
func (a *Auth) withPlace(address string) string {
	if a.place == nil {
		return address
	}
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if place := text.Line(a.place(addr), maxPlace); place != "" {
		return address + " (" + place + ")"
	}
	return address
}
