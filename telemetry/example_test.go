package telemetry_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/posternauth/postern/telemetry"
)

func Example() {
	// A program uses an exporter here, such as otlptracehttp, and shuts the provider down at its end.
	exporter := tracetest.NewInMemoryExporter()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	defer tracers.Shutdown(context.Background())

	auth := http.NotFoundHandler() // in a program: the postern.Auth
	route, err := telemetry.Routes(context.Background(), "https://api.example.com/auth", auth)
	if err != nil {
		fmt.Println(err)
		return
	}
	t, err := telemetry.New(telemetry.Config{TracerProvider: tracers, Route: route})
	if err != nil {
		fmt.Println(err)
		return
	}
	// session.Config{Store: t.Store(st), OnEvent: t.Event, …}
	handler := t.Handler(auth)
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "https://api.example.com/auth/google/callback?code=secret", nil))
	fmt.Println(exporter.GetSpans()[0].Name)
	// Output: GET /auth/{provider}/callback
}
