package words

import (
	"slices"
	"testing"
	"time"
)

func TestFill(t *testing.T) {
	args := map[string]any{
		"to": "ann@example.com", "n": 1, "many": 7, "zero": 0, "left": 90 * time.Second, "factor": Phrase("a code"),
		"at": time.Date(2026, 3, 2, 14, 5, 0, 0, time.UTC), "evil": "{to} # {n, plural, other {x}}",
	}
	for template, want := range map[string]string{
		"":                  "",
		"No value.":         "No value.",
		"To {to}.":          "To ann@example.com.",
		"{ to }":            "ann@example.com",
		"{missing} {to":     "{missing} {to",
		"a } b":             "a } b",
		"{}":                "{}",
		"{evil}":            "{to} # {n, plural, other {x}}",
		"Use {factor} #1":   "Use a code #1",
		"{left} left":       "2 minutes left",
		"{at} | {at, date}": "2 March 2026 at 14:05 UTC | 2 March 2026",
		"{n, plural, one {# code} other {# codes}}":              "1 code",
		"{many, plural, one {# code} other {# codes for {to}}}!": "7 codes for ann@example.com!",
		"{zero, plural, =0 {none} one {# code} other {# codes}}": "none",
		"{to, plural, one {a} other {b}} {n, plural, one {a}}":   "{to, plural, one {a} other {b}} {n, plural, one {a}}",
		"{n, plural, one {{evil}} other {}}":                     "{to} # {n, plural, other {x}}",
	} {
		if got := Fill(template, args, English{}); got != want {
			t.Errorf("Fill(%q) = %q, want %q", template, got, want)
		}
	}
}

func TestEnglish_Durations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "1 second", 0: "1 second", time.Second: "1 second", 1500 * time.Millisecond: "2 seconds", 59 * time.Second: "59 seconds",
		time.Minute: "1 minute", 61 * time.Second: "2 minutes", 10 * time.Minute: "10 minutes", time.Hour: "1 hour", 57 * time.Minute: "57 minutes", 58 * time.Minute: "1 hour",
		60*time.Minute + 30*time.Second: "1 hour", 61 * time.Minute: "1 hour", 74 * time.Minute: "75 minutes", 119 * time.Minute: "2 hours", 90 * time.Minute: "90 minutes",
		2 * time.Hour: "2 hours", 121 * time.Minute: "3 hours", 24 * time.Hour: "1 day", 36 * time.Hour: "36 hours", 7 * 24 * time.Hour: "7 days",
	} {
		if got := (English{}).Value(d, ""); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestParagraphs(t *testing.T) {
	for want, texts := range map[string][]string{"": {"", ""}, "a": {"", "a"}, "a\n\nb": {"a", "", "b"}} {
		if got := Paragraphs(texts...); got != want {
			t.Errorf("%q: %q, want %q", texts, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	got, err := Names("{to} and {n, plural, one {# of {to}} other {#}} on {at, date}, {param.x}")
	if want := []string{"to", "n", "at", "param.x"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	for _, bad := range []string{"{", "}", "{}", "{To}", "{a b}", "{to, time}", "{n, plural, one {a}}", "{n, plural, other}", "{n, plural, other {{}}}", "a } b"} {
		if _, err := Names(bad); err == nil {
			t.Errorf("Names(%q): no error", bad)
		}
	}
}
