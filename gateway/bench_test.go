package gateway_test

import (
	"testing"

	"github.com/posternauth/postern/gateway"
)

// BenchmarkInvoke is a warm authorizer, for each kind of event.
func BenchmarkInvoke(b *testing.B) {
	w := newWorld(b)
	token := w.token(w.user, "u1", "read")
	for _, kind := range kinds {
		b.Run(kind, func(b *testing.B) {
			a := w.authorizer(gateway.Config{Routes: append(g1Routes[:len(g1Routes):len(g1Routes)], gateway.Route{Path: "/a"}, gateway.Route{Path: "$connect"}), Policies: kind == "2.0 policy"})
			event := eventOf(b, kind, "Bearer "+token)
			b.ReportAllocs()
			for b.Loop() {
				if out, err := a.Invoke(b.Context(), event); err != nil || len(out) < 100 {
					b.Fatal(err)
				}
			}
		})
	}
}
