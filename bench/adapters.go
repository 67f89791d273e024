package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/akrylysov/algnhsa"
	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"

	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
)

// An adapter serves an http.Handler by the events of Lambda.
type adapter struct {
	name string
	// of makes one for a kind, which only some want to know.
	of func(kind lambdatest.APIType, h http.Handler) (lambdatest.Function, error)
}

// adapters are the contenders, ours first.
var adapters = []adapter{
	{"postern", func(_ lambdatest.APIType, h http.Handler) (lambdatest.Function, error) {
		return lambdahttp.New(h, lambdahttp.Config{})
	}},
	{"algnhsa", func(_ lambdatest.APIType, h http.Handler) (lambdatest.Function, error) {
		return algnhsa.New(h, nil), nil
	}},
	{"api-proxy", apiProxy},
}

// apiProxy is aws-lambda-go-api-proxy, which leaves decoding, and the choice of a kind, to the program.
func apiProxy(kind lambdatest.APIType, h http.Handler) (lambdatest.Function, error) {
	switch kind {
	case lambdatest.HTTPAPI, lambdatest.FunctionURL:
		return typed(httpadapter.NewV2(h).ProxyWithContext), nil
	case lambdatest.ALB, lambdatest.ALBMultiValue:
		return typed(httpadapter.NewALB(h).ProxyWithContext), nil
	default:
		return typed(httpadapter.New(h).ProxyWithContext), nil
	}
}

// invoker is a function without the processes and copies of lambdatest.Func.
type invoker func(ctx context.Context, event []byte) ([]byte, error)

func (f invoker) Invoke(ctx context.Context, event []byte) ([]byte, error) { return f(ctx, event) }

func typed[E, R any](serve func(context.Context, E) (R, error)) lambdatest.Function {
	return invoker(func(ctx context.Context, event []byte) ([]byte, error) {
		var e E
		if err := json.Unmarshal(event, &e); err != nil {
			return nil, err
		}
		r, err := serve(ctx, e)
		if err != nil {
			return nil, err
		}
		return json.Marshal(r)
	})
}

// decoding is what reading an event into AWS's own type costs, without serving it: the measure for all.
func decoding(kind lambdatest.APIType) lambdatest.Function {
	switch kind {
	case lambdatest.HTTPAPI:
		return typed(func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
			return events.APIGatewayV2HTTPResponse{StatusCode: 200}, nil
		})
	case lambdatest.FunctionURL:
		return typed(func(context.Context, events.LambdaFunctionURLRequest) (events.LambdaFunctionURLResponse, error) {
			return events.LambdaFunctionURLResponse{StatusCode: 200}, nil
		})
	case lambdatest.ALB, lambdatest.ALBMultiValue:
		return typed(func(context.Context, events.ALBTargetGroupRequest) (events.ALBTargetGroupResponse, error) {
			return events.ALBTargetGroupResponse{StatusCode: 200}, nil
		})
	default:
		return typed(func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
			return events.APIGatewayProxyResponse{StatusCode: 200}, nil
		})
	}
}

var adapterKinds = []lambdatest.APIType{
	lambdatest.HTTPAPI, lambdatest.HTTPAPIv1, lambdatest.REST, lambdatest.FunctionURL, lambdatest.ALB, lambdatest.ALBMultiValue,
}

// sampleEvent is what a gateway makes of a request that a browser could send.
func sampleEvent(kind lambdatest.APIType) ([]byte, error) {
	nobody := lambdatest.Func(func(context.Context, []byte) ([]byte, error) { return nil, nil })
	g, err := lambdatest.New(lambdatest.Config{Type: kind, Routes: []lambdatest.Route{{Path: "/{proxy+}", Function: nobody}}})
	if err != nil {
		return nil, err
	}
	path := "/capture/space%20value?repeat=one&repeat=two&redirect=https%3A%2F%2Fexample.com%2Fa&plus=a%2Bb&empty="
	if kind == lambdatest.REST {
		path = "/prod" + path
	}
	r := httptest.NewRequest("POST", path, strings.NewReader(`{"message":"hello there"}`))
	for _, h := range []string{
		"Accept: */*", "Accept-Encoding: gzip, deflate, br", "Accept-Language: en-GB,en;q=0.9", "Content-Type: application/json",
		"Cookie: session=abc123; theme=dark", "Origin: https://example.com", "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"X-Probe: first", "X-Probe: second",
	} {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return g.Event(r)
}

// sampleHandler reads what handlers read, and answers with two cookies and JSON.
func sampleHandler(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || len(body) == 0 || r.Method != http.MethodPost || r.URL.Query().Get("empty") != "" {
		http.Error(w, "not the sample request", http.StatusTeapot)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: "a", Value: "1", Path: "/", HttpOnly: true})
	http.SetCookie(w, &http.Cookie{Name: "b", Value: "2", Path: "/", HttpOnly: true})
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"message":"hello"}`)
}

// adapterContenders are all adapters on the events of a kind, and the bare reading of them.
func adapterContenders(kind lambdatest.APIType) ([]contender, error) {
	event, err := sampleEvent(kind)
	if err != nil {
		return nil, err
	}
	floor := decoding(kind)
	all := []contender{{name: bare, op: func() error { _, err := floor.Invoke(context.Background(), event); return err }}}
	for _, a := range adapters {
		f, err := a.of(kind, http.HandlerFunc(sampleHandler))
		if err != nil {
			return nil, err
		}
		// An adapter that does not do the work is no contender: algnhsa fails on load balancers without multi-value
		// headers.
		out, err := f.Invoke(context.Background(), event)
		if err != nil || !strings.Contains(string(out), `"statusCode":200`) {
			continue
		}
		all = append(all, contender{name: a.name, op: func() error { _, err := f.Invoke(context.Background(), event); return err }})
	}
	return all, nil
}

// adaptersCommand measures what serving an event costs, beside other adapters.
func adaptersCommand(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench adapters", flag.ContinueOnError)
	e := effort{}
	flags.IntVar(&e.rounds, "rounds", 40, "how often each contender has its turn")
	flags.DurationVar(&e.turn, "turn", 20*time.Millisecond, "how long a turn is")
	asJSON := flags.Bool("json", false, "print one JSON object a row instead of a table")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || e.rounds < 1 || e.turn <= 0 {
		return errors.New("adapters takes flags only; -h shows them")
	}
	for _, kind := range adapterKinds {
		all, err := adapterContenders(kind)
		if err != nil {
			return err
		}
		results, err := measure("adapters", kind.String(), e, all)
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(out, results)
		} else {
			err = printAdapters(out, results)
		}
		if err != nil {
			return err
		}
	}
	if *asJSON {
		return nil
	}
	return printDefects(out)
}

func printAdapters(out io.Writer, results []result) error {
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%s\tmedian\tx decoding\tx postern\tallocs\tbytes\t\n", results[0].Alg)
	var ours result
	for _, r := range results {
		if r.Impl == "postern" {
			ours = r
		}
	}
	for _, r := range results {
		name := r.Impl
		if name == bare {
			name = "decoding alone"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%.2f\t%s\t%s\t\n", name, duration(r.MedianNS), number(r.VsBare, 2), ratio(r.rounds, ours.rounds), number(r.Allocs, -1), number(r.Bytes, -1))
	}
	fmt.Fprintln(t)
	return t.Flush()
}
