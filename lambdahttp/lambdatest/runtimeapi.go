package lambdatest

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"
)

// The paths and headers of the Runtime API, version 2018-06-01.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
const (
	apiPrefix      = "/2018-06-01/runtime/"
	headerErrType  = "Lambda-Runtime-Function-Error-Type"
	headerErrBody  = "Lambda-Runtime-Function-Error-Body"
	maxErrorReport = 1 << 20
)

func (sb *sandbox) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+apiPrefix+"invocation/next", sb.next)
	mux.HandleFunc("POST "+apiPrefix+"invocation/{id}/response", sb.response)
	mux.HandleFunc("POST "+apiPrefix+"invocation/{id}/error", sb.failure)
	mux.HandleFunc("POST "+apiPrefix+"init/error", sb.initError)
	return mux
}

// next blocks until there is an event. A process that asks again before it has answered gets an error, as on Lambda.
func (sb *sandbox) next(w http.ResponseWriter, r *http.Request) {
	sb.mu.Lock()
	busy := sb.current != nil
	if sb.polled.IsZero() {
		sb.polled = time.Now()
	}
	sb.mu.Unlock()
	if busy {
		apiError(w, http.StatusForbidden, "InvalidStateTransition", "answer the event at hand before you ask for the next")
		return
	}
	select {
	case inv := <-sb.jobs:
		inv.deadline = time.Now().Add(sb.rt.cfg.Timeout)
		sb.mu.Lock()
		sb.current = inv
		sb.mu.Unlock()
		close(inv.taken)
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", sb.rt.arn())
		h.Set("Lambda-Runtime-Trace-Id", inv.trace)
		_, _ = w.Write(inv.payload)
	case <-r.Context().Done():
	}
}

func (sb *sandbox) response(w http.ResponseWriter, r *http.Request) {
	inv, ok := sb.claim(w, r)
	if !ok {
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxPayload+1))
	switch {
	case err != nil:
		sb.settle(inv, nil, newFunctionError("Runtime.TruncatedResponse", "the response broke off: "+err.Error()))
		apiError(w, http.StatusBadRequest, "InvalidRequest", "the body broke off")
		return
	case len(body) > MaxPayload:
		sb.settle(inv, nil, tooLarge())
		apiError(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "Exceeded maximum allowed payload size ("+strconv.Itoa(MaxPayload)+" bytes).")
		return
	}
	// A runtime that streams reports an error half way in trailers.
	if typ := r.Trailer.Get(headerErrType); typ != "" {
		report, err := base64.StdEncoding.DecodeString(r.Trailer.Get(headerErrBody))
		if err != nil {
			report = nil
		}
		sb.settle(inv, nil, parseFunctionError(report, typ))
	} else {
		sb.settle(inv, body, nil)
	}
	accepted(w)
}

func (sb *sandbox) failure(w http.ResponseWriter, r *http.Request) {
	inv, ok := sb.claim(w, r)
	if !ok {
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxErrorReport))
	if err != nil {
		body = []byte(`{"errorMessage":"the error report broke off"}`)
	}
	sb.settle(inv, nil, parseFunctionError(body, r.Header.Get(headerErrType)))
	accepted(w)
}

// initError is the error of a process that can't start.
func (sb *sandbox) initError(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxErrorReport))
	if err != nil {
		body = []byte(`{"errorMessage":"the error report broke off"}`)
	}
	sb.mu.Lock()
	late := !sb.polled.IsZero()
	if !late {
		sb.initErr = parseFunctionError(body, r.Header.Get(headerErrType))
	}
	sb.mu.Unlock()
	if late {
		apiError(w, http.StatusForbidden, "InvalidStateTransition", "the initialisation is over")
		return
	}
	accepted(w)
	// Lambda ends the process at once; one that stays would wait for ever.
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	_ = killGroup(sb.cmd)
}

// claim finds the event that a request names.
func (sb *sandbox) claim(w http.ResponseWriter, r *http.Request) (*invocation, bool) {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	if sb.current == nil || sb.current.id != r.PathValue("id") {
		apiError(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return nil, false
	}
	return sb.current, true
}

func (sb *sandbox) settle(inv *invocation, out []byte, fe *FunctionError) {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	if sb.current != inv {
		return // answered twice, by two requests at once
	}
	sb.current = nil
	inv.out = out
	if fe != nil {
		inv.err = fe
	}
	close(inv.done)
}

func accepted(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

func apiError(w http.ResponseWriter, status int, typ, message string) {
	body, err := json.Marshal(map[string]string{"errorType": typ, "errorMessage": message})
	if err != nil {
		body = []byte(`{}`) // a map of strings always marshals
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
