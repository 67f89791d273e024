package main

import (
	"fmt"
	"time"

	"github.com/posternauth/postern/internal/text"
)

// inWords returns how far t is from now: "just now", "3 minutes ago", "in 57 minutes". It rounds to the unit it names,
// and names only one.
func inWords(t, now time.Time) string {
	d := t.Sub(now)
	past := d < 0
	if past {
		d = -d
	}
	if d < time.Second {
		return "just now"
	}
	if past {
		return spanInWords(d) + " ago"
	}
	return "in " + spanInWords(d)
}

// spanInWords names a length of time by its largest unit: "57 minutes", "1 hour", "30 days".
func spanInWords(d time.Duration) string {
	const day = 24 * time.Hour
	for _, u := range []struct {
		unit time.Duration
		most time.Duration // beyond which a larger unit reads better
		name string
	}{
		{time.Second, 90 * time.Second, "second"},
		{time.Minute, 90 * time.Minute, "minute"},
		{time.Hour, 36 * time.Hour, "hour"},
		{day, 60 * day, "day"},
		{365 * day / 12, 730 * day, "month"},
	} {
		if d < u.most {
			return count(int64((d+u.unit/2)/u.unit), u.name)
		}
	}
	return count(int64(d/(365*day)), "year")
}

func count(n int64, name string) string {
	if n != 1 {
		name += "s"
	}
	return fmt.Sprintf("%d %s", n, name)
}

// stamp is a moment for people and for copying.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// calm makes text of a stranger safe to show in a terminal.
func calm(s string) string { return text.Calm(s) }
