package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/serve"
	"github.com/posternauth/postern/internal/serve/emf"
	"github.com/posternauth/postern/keys/rotator"
	"github.com/posternauth/postern/lambdahttp"
)

// world is what the function sees of the outside.
type world struct {
	lookupEnv func(string) (string, bool)
	readFile  func(string) ([]byte, error)
	out       io.Writer // gets the metrics
	log       *slog.Logger
}

// A function answers the events of one handler.
type function struct {
	invoke  func(ctx context.Context, event []byte) ([]byte, error)
	metrics *emf.Metrics
	log     *slog.Logger
}

// Invoke answers an event, and writes the metrics before Lambda freezes the process.
func (f *function) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	answer, err := f.invoke(ctx, event)
	if flushErr := f.metrics.Flush(); flushErr != nil {
		f.log.ErrorContext(ctx, "metrics were not written", "error", flushErr)
	}
	return answer, err
}

// open reads the configuration, opens what it names, and returns the function of the handler.
func open(ctx context.Context, w world) (*function, error) {
	get := func(name string) string { value, _ := w.lookupEnv(name); return value }
	file := cmp.Or(get("POSTERN_CONFIG"), "postern.toml")
	data, err := w.readFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: put the file beside the bootstrap, or name it in POSTERN_CONFIG", err)
	}
	config, err := serve.Parse(file, data, w.lookupEnv)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(config.Keys.Vault, "file:") {
		return nil, errors.New("[keys] vault: a function has no file that lasts: write ssm:PATH, secrets-manager:NAME or store")
	}
	every, err := rotateEvery(get("POSTERN_ROTATE"))
	if err != nil {
		return nil, err
	}
	metrics, err := emf.New(emf.Config{Issuer: config.Issuer, Out: w.out})
	if err != nil {
		return nil, err
	}
	f := &function{metrics: metrics, log: w.log}
	if get("_HANDLER") == "rotator" {
		// The ring alone: the role of the rotator reads neither the table nor the secrets of providers.
		ring, _, err := serve.OpenRing(ctx, config, parts(w, metrics)) // stays open as long as the process lives
		if err != nil {
			return nil, err
		}
		f.invoke = rotate(rotator.Config{Ring: ring, Every: every}, metrics)
		return f, nil
	}
	house, err := serve.Open(ctx, config, parts(w, metrics))
	if err != nil {
		return nil, err
	}
	served, err := lambdahttp.New(counted(house.Handler(), metrics), lambdahttp.Config{Logger: w.log})
	if err != nil {
		return nil, err
	}
	f.invoke = func(ctx context.Context, event []byte) ([]byte, error) {
		answer, err := served.Invoke(ctx, event)
		if err != nil { // there is no answer to count
			metrics.Failed()
		}
		return answer, err
	}
	return f, nil
}

// counted counts answers with a status of 500 or more.
func counted(next http.Handler, metrics *emf.Metrics) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&statusWriter{ResponseWriter: w, failed: metrics.Failed}, r)
	})
}

type statusWriter struct {
	http.ResponseWriter
	failed func()
}

func (w *statusWriter) WriteHeader(status int) {
	if status >= http.StatusInternalServerError {
		w.failed()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// rotate returns the handler of the rotator, which makes a signing key when the newest is old enough. Its answer is a
// rotator.Report. A second rotator at the same time makes no second key.
func rotate(c rotator.Config, metrics *emf.Metrics) func(context.Context, []byte) ([]byte, error) {
	return func(ctx context.Context, _ []byte) ([]byte, error) {
		report, err := rotator.Run(ctx, c)
		metrics.Rotated(err)
		if err != nil {
			return nil, err
		}
		metrics.KeyAge(time.Duration(report.Age))
		return json.Marshal(report)
	}
}

// rotateEvery reads POSTERN_ROTATE. Empty is 0, the default of the rotator.
func rotateEvery(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	every, err := time.ParseDuration(text)
	if err != nil || every < 24*time.Hour {
		return 0, fmt.Errorf("POSTERN_ROTATE is %q: write hours, 24h or more, such as 720h", text)
	}
	return every, nil
}
