package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"time"
)

const (
	serverTokens = 256 // in use at once
	connections  = 16
)

// overHTTP measures servers at saturation, each in a separate process on one core, with the load coming from another
// core. Every request carries a token; the bare server does not look at it.
func overHTTP(o options) (out []result, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, alg := range o.algs {
		m, err := newMaterial(alg)
		if err != nil {
			return nil, err
		}
		tokens, err := m.tokens(serverTokens)
		if err != nil {
			return nil, err
		}
		results, err := saturate(m, o.effort, newLoad(tokens, connections))
		if err != nil {
			return nil, err
		}
		out = append(out, results...)
	}
	return out, nil
}

func saturate(m *material, e effort, l *load) ([]result, error) {
	var servers []*server
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	var results []result
	for _, impl := range serverNames {
		s, err := startServer(impl, m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", impl, err)
		}
		servers = append(servers, s)
		results = append(results, result{Bench: "http", Impl: impl, Alg: string(m.alg)})
		if err := l.refused(s.addr, m.spoilt()); (err != nil) != (impl == bare) {
			return nil, fmt.Errorf("%s, asked with another signature: %w", impl, errors.Join(err, errors.New("it does not check, or checks and should not")))
		}
		if _, err := l.run(s.addr, e.turn/2); err != nil { // warm
			return nil, fmt.Errorf("%s: %w", impl, err)
		}
	}
	cpu := make([][]float64, len(servers))
	for range e.rounds {
		for _, i := range rand.Perm(len(servers)) {
			before, err := servers[i].cpu()
			if err != nil {
				return nil, err
			}
			start := time.Now()
			n, err := l.run(servers[i].addr, e.turn)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", results[i].Impl, err)
			}
			took := time.Since(start)
			after, err := servers[i].cpu()
			if err != nil {
				return nil, err
			}
			results[i].rounds = append(results[i].rounds, float64(took)/float64(n))
			cpu[i] = append(cpu[i], float64(after-before)/float64(n))
		}
	}
	summarise(results)
	for i := range results {
		results[i].CPU = quantile(cpu[i], 0.5)
		results[i].AddedCPU = results[i].CPU - quantile(cpu[0], 0.5)
		results[i].RateVsBare = ratio(results[0].rounds, results[i].rounds)
	}
	return results, nil
}

// A server is a child process.
type server struct {
	addr string
	in   *json.Encoder
	out  *bufio.Reader
	stop func()
}

// An order is the first message to a child process.
type order struct {
	Impl, Alg, PEM string
	Secret         []byte
}

func startServer(impl string, m *material) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "serve")
	cmd.Env, cmd.Stderr = append(os.Environ(), "GOMAXPROCS=1"), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{in: json.NewEncoder(in), out: bufio.NewReader(out), stop: func() {
		_ = in.Close() // upon which it ends
		_ = cmd.Wait()
	}}
	first := order{Impl: impl, Alg: string(m.alg), Secret: m.secret}
	if m.secret == nil {
		if first.PEM, err = m.pem(); err != nil {
			s.stop()
			return nil, err
		}
	}
	if err := s.ask(first, &s.addr); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *server) ask(question, answer any) error {
	if err := s.in.Encode(question); err != nil {
		return err
	}
	line, err := s.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("the server ended: %w", err)
	}
	return json.Unmarshal(line, answer)
}

// cpu is the CPU time that the server has used.
func (s *server) cpu() (time.Duration, error) {
	var d time.Duration
	return d, s.ask("cpu", &d)
}
