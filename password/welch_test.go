package password_test

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"
)

// TestA8_Welch compares the time of wrong passwords for a known and an unknown name. It is not part of the usual tests,
// because it needs a machine that does nothing else:
//
//	POSTERN_TEST_WELCH=5000 go test ./password -run Welch -v
func TestA8_Welch(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("POSTERN_TEST_WELCH"))
	if n == 0 {
		t.Skip("set POSTERN_TEST_WELCH to the number of requests")
	}
	w := newWorld(t)
	w.browser().signUp("ada@example.com", good)
	var times [2][]float64
	b := w.browser()
	st := ""
	for i := range n {
		if i%100 == 0 {
			st = state(t, b.get("/password/authorize"))
		}
		w.Advance(31 * time.Minute / 10)
		if i%3 == 0 {
			w.Advance(time.Hour)
			st = state(t, b.get("/password/authorize"))
		}
		b.Addr = fmt.Sprintf("198.18.%d.%d:9", i/250%250, i%250)
		name := []string{"ada@example.com", "noa@example.com"}[i%2]
		began := time.Now()
		a := b.post("/password/callback", "state", st, "identifier", name, "password", better)
		took := time.Since(began)
		if a.Code != http.StatusBadRequest {
			t.Fatalf("request %d: %d\n%s", i, a.Code, a.Body)
		}
		if i%200 < 2 { // the 100 in a row are another test
			w.guessed(w.user("ada@example.com"), 0)
		}
		times[i%2] = append(times[i%2], float64(took)/float64(time.Millisecond))
	}
	mean := func(list []float64) (m, v float64) {
		for _, x := range list {
			m += x
		}
		m /= float64(len(list))
		for _, x := range list {
			v += (x - m) * (x - m)
		}
		return m, v / float64(len(list)-1)
	}
	m0, v0 := mean(times[0])
	m1, v1 := mean(times[1])
	welch := (m0 - m1) / math.Sqrt(v0/float64(len(times[0]))+v1/float64(len(times[1])))
	t.Logf("known %.3f ms, unknown %.3f ms, t = %.2f", m0, m1, welch)
	if math.Abs(welch) > 4.5 && math.Abs(m0-m1) > 0.05*m0 {
		t.Errorf("the times differ: t = %.2f, %.3f ms and %.3f ms", welch, m0, m1)
	}
}
