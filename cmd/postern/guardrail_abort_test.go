package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestRecoverPanics_CutOff: an answer that breaks off never looks whole, however it began.
func TestRecoverPanics_CutOff(t *testing.T) {
	for name, fault := range map[string]struct {
		begin  func(http.ResponseWriter)
		value  any
		logged bool
	}{
		"a handler that gives up":     {func(http.ResponseWriter) {}, http.ErrAbortHandler, false},
		"a panic after the status":    {func(w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted) }, "boom", true},
		"a panic after a first write": {func(w http.ResponseWriter) { _, _ = io.WriteString(w, "begun") }, "boom", true},
	} {
		var errs bytes.Buffer
		h := recoverPanics(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fault.begin(w)
			panic(fault.value)
		}), &errs)
		func() {
			defer func() {
				if got := recover(); got != http.ErrAbortHandler {
					t.Errorf("%s: the server sees %v, want http.ErrAbortHandler", name, got)
				}
			}()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		}()
		if (errs.Len() > 0) != fault.logged {
			t.Errorf("%s: in the terminal: %q", name, errs.String())
		}
	}
}
