package words

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// English is the Format of the texts in the code.
type English struct{}

// Plural implements Format.
func (English) Plural(n int) string {
	if n == 1 {
		return "one"
	}
	return "other"
}

// Value implements Format. A time is in UTC.
func (e English) Value(v any, style string) string {
	switch v := v.(type) {
	case string:
		return v
	case Phrase:
		return string(v)
	case List:
		all := make([]string, len(v))
		for i, one := range v {
			all[i] = e.Value(one, style)
		}
		return strings.Join(all, ", ")
	case int:
		return strconv.Itoa(v)
	case time.Duration:
		n, unit := Roughly(v)
		if n != 1 {
			unit += "s"
		}
		return strconv.Itoa(n) + " " + unit
	case time.Time:
		if style == "date" {
			return v.UTC().Format("2 January 2006")
		}
		return v.UTC().Format("2 January 2006 at 15:04 UTC")
	}
	return fmt.Sprint(v)
}

// Roughly returns a duration as a number of one unit, "second", "minute", "hour" or "day", rounded up. It is at least
// one second. Around an hour, five minutes more or less say nothing: they are rounded to the nearest.
func Roughly(d time.Duration) (n int, unit string) {
	if d > 57*time.Minute && d < 2*time.Hour {
		d = d.Round(5 * time.Minute)
	}
	up := func(unit time.Duration) int { return int((d + unit - 1) / unit) }
	switch {
	case d <= time.Second:
		return 1, "second"
	case d <= time.Minute && d%time.Minute != 0:
		return up(time.Second), "second"
	case d <= 2*time.Hour && d != time.Hour && d != 2*time.Hour:
		return up(time.Minute), "minute"
	case d < 48*time.Hour && d != 24*time.Hour:
		return up(time.Hour), "hour"
	}
	return up(24 * time.Hour), "day"
}
