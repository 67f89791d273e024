package faults

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/posternauth/postern/session"
)

// requests are deeds done by HTTP.
func requests() []deed {
	page := browse(http.MethodGet, "/me")
	return []deed{
		{name: "redeem a code", before: with((*desk).askCode), want: "ok", good: true, beaten: "invalid_grant",
			rival: func(d *desk) {
				if err := d.steady.RevokeSubject(d.Context(), "somebody else"); err != nil {
					d.Fatal(err)
				}
			},
			do: func(ctx context.Context, d *desk) string { return d.redeem(ctx) },
			after: func(d *desk, got string, _ bool, wrong report) {
				n := len(d.living())
				if n > 2 || got == "ok" && n != 2 {
					wrong("%q, and %d sessions", got, n)
				}
				if again := d.redeem(d.Context()); again == "ok" && got == "ok" {
					wrong("the code works twice")
				} else if n := len(d.living()); again == "ok" && n != 2 || again != "ok" && n != 1 {
					wrong("%q, then %q, and %d sessions", got, again, n)
				}
			}},
		{name: "redeem a code a second time", before: with((*desk).askCode, (*desk).buy), want: "invalid_grant", good: true,
			do: func(ctx context.Context, d *desk) string { return d.redeem(ctx) },
			after: func(d *desk, got string, _ bool, wrong report) {
				if n := len(d.living()); got != "503" && n != 1 {
					wrong("%q, and what it bought lives", got)
				}
			}},
		{name: "open a page", before: with((*desk).carryAll), do: page, want: "ok", good: true, rival: (*desk).endIt, after: nothing},
		{name: "open a page, signed out", before: with((*desk).carryAll, (*desk).endIt), do: page, want: "session_ended", after: dead(it)},
		{name: "open a page with an old cookie", before: with((*desk).expire), do: page, want: "ok", good: true, rival: (*desk).endIt, after: renewed},
		{name: "open a page with an old cookie, signed out", before: with((*desk).expire, (*desk).endIt), do: page, want: "session_ended", after: dead(it)},
		{name: "open a page with a stolen cookie", before: with((*desk).refreshed, (*desk).refreshed, (*desk).carryOld), do: page, want: "session_ended",
			after: func(d *desk, got string, _ bool, wrong report) {
				if got != "503" && len(d.jar) > 0 {
					wrong("%q, and the cookies stay", got)
				}
				stillOver("reuse", 0)(d, got, false, wrong)
			}},
		{name: "renew cookies", before: with((*desk).expire), do: browse(http.MethodPost, issuerPath+"/refresh"), want: "ok", good: true,
			rival: (*desk).endIt, after: renewed},
		{name: "renew cookies, signed out", before: with((*desk).expire, (*desk).endIt), do: browse(http.MethodPost, issuerPath+"/refresh"),
			want: "session_ended", after: dead(it)},
		{name: "sign out", before: with((*desk).carryAll, (*desk).remember, (*desk).touch), do: browse(http.MethodPost, issuerPath+"/signout"), want: "ok",
			writes: true, rival: (*desk).endIt, after: gone(it)},
		{name: "sign out with an old cookie", before: with((*desk).expire), do: browse(http.MethodPost, issuerPath+"/signout"), want: "ok",
			rival: (*desk).endIt, after: gone(it)},
		{name: "sign out everywhere", before: with((*desk).addOther, (*desk).carryAll), do: browse(http.MethodPost, issuerPath+"/signout/everywhere"),
			want: "ok", rival: (*desk).endIt, after: gone(it, other)},
		{name: "look at one's sessions", before: with((*desk).addOther, (*desk).carryAll), do: browse(http.MethodGet, issuerPath+"/sessions"),
			want: "ok", good: true, rival: (*desk).endIt, after: nothing},
		{name: "end another session", before: with((*desk).addOther, (*desk).carryAll), do: browse(http.MethodDelete, issuerPath+"/sessions/OTHER"),
			want: "ok", good: true, rival: (*desk).endIt,
			after: func(d *desk, got string, _ bool, wrong report) {
				if got == "ok" && d.lives(other(d)) {
					wrong("the other session lives")
				}
			}},
		{name: "end all other sessions", before: with((*desk).addOther, (*desk).carryAll), do: browse(http.MethodDelete, issuerPath+"/sessions"),
			want: "ok", good: true, rival: (*desk).endIt,
			after: func(d *desk, got string, _ bool, wrong report) {
				if got == "ok" && d.lives(other(d)) {
					wrong("the other session lives")
				}
			}},
	}
}

// renewed checks that both cookies came, and are good.
func renewed(d *desk, got string, rivals bool, wrong report) {
	if got != "ok" || rivals {
		return
	}
	if _, err := d.known.Verify(d.Context(), d.jar[d.cookie], session.CheckStore); err != nil {
		wrong("the new cookie: %v", err)
	}
	t, err := d.steady.Refresh(d.Context(), d.jar[d.cookie+"-refresh"])
	if err != nil || t.Refresh != d.jar[d.cookie+"-refresh"] || t.Refresh == d.last().Refresh {
		wrong("the new refresh cookie: %v", err)
	}
}

// gone checks that a person who was answered "signed out" is signed out.
func gone(which ...func(*desk) string) func(*desk, string, bool, report) {
	return func(d *desk, got string, rivals bool, wrong report) {
		if got == "ok" && len(d.jar) > 0 {
			wrong("signed out, with the cookies %q", slices.Collect(maps.Keys(d.jar)))
		}
		if got == "ok" {
			dead(which...)(d, got, rivals, wrong)
		}
	}
}
