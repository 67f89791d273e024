package main

import (
	"context"
	"net/http"
	"os"
	"os/exec"
)

// bareServer is the command of the child that serves nothing but 200.
const bareServer = "bare-server"

// startBare starts a server of net/http that does nothing: what a request costs before anything is checked.
func startBare(string) (*authServer, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, bareServer, address)
	cmd.Stderr = os.Stderr
	stop, err := startProcess(cmd, "http://"+address)
	if err != nil {
		return nil, err
	}
	return &authServer{name: "net/http alone", pid: cmd.Process.Pid, stop: stop, client: func(int) (authClient, error) {
		client := &http.Client{Transport: &lean{}}
		return authClient{verify: func(ctx context.Context) error {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/auth/verify", nil)
			if err != nil {
				return err
			}
			r.Header.Set("X-Forwarded-Method", "GET")
			r.Header.Set("X-Forwarded-Uri", "/orders")
			return answered(client.Do(r))
		}}, nil
	}}, nil
}

func serveBare(address string) error {
	return http.ListenAndServe(address, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
}
