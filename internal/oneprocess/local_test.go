package oneprocess

import (
	"context"
	"testing"
)

func TestRefuse(t *testing.T) {
	if Refused(t.Context()) {
		t.Error("a plain context refuses")
	}
	below, cancel := context.WithCancel(Refuse(t.Context()))
	cancel()
	if !Refused(below) || !Refused(context.WithoutCancel(below)) {
		t.Error("a context below Refuse does not")
	}
}
