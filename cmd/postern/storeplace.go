package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	server "github.com/posternauth/postern/internal/serve"
	serving "github.com/posternauth/postern/internal/serve/run"
	"github.com/posternauth/postern/users"
)

// A storePlace is where a store is, and the configuration that says so.
type storePlace struct {
	url  string
	flag string // what errors name

	// config is the configuration of --config, or nil. file is its name.
	config *server.Config
	file   string
	pool   string // of its users; empty: not known
}

// place returns the store of --config, of --store, or of the data folder.
func (f storeFlag) place(ctx context.Context, w world) (storePlace, error) {
	switch {
	case f.Config != "":
		return f.configured(ctx, w)
	case f.Store != "":
		return storePlace{url: f.Store, flag: "--store"}, nil
	}
	return storePlace{url: "sqlite:" + folder(f.Data).file(databaseFile), flag: "--store"}, nil
}

// configured returns the store of --config. It reads no secret but that of the store.
func (f storeFlag) configured(ctx context.Context, w world) (storePlace, error) {
	if given(f.Store, "POSTERN_STORE") {
		return storePlace{}, usagef("--config names the database: leave out --store")
	}
	config, parts, err := readConfig(w, f.Config)
	if err != nil {
		return storePlace{}, err
	}
	look, err := server.ExamineStore(ctx, config, parts)
	if err != nil {
		return storePlace{}, err
	}
	if look.StoreURL == "" {
		return storePlace{}, errors.New("[store] url: the sessions are in the memory of the server, where no command can see them")
	}
	return storePlace{url: look.StoreURL, flag: "[store] url", config: &config, file: f.Config, pool: config.Issuer}, nil
}

// given reports whether a flag has a value that does not come from its environment variable, which --config wins over.
func given(value, variable string) bool {
	return value != "" && value != os.Getenv(variable)
}

// readConfig reads a configuration of postern serve. The parts open what it names.
func readConfig(w world, file string) (server.Config, server.Parts, error) {
	data, err := readRegular(file)
	if err != nil {
		return server.Config{}, server.Parts{}, fmt.Errorf("--config: %w", err)
	}
	config, err := server.Parse(file, data, os.LookupEnv)
	if err != nil {
		return server.Config{}, server.Parts{}, err
	}
	return config, serveParts(w, config, serving.Tools{}, &auditSinks{}), nil
}

// developmentHosts returns the hosts of --config that may be http.
func (p storePlace) developmentHosts() []string {
	if p.config == nil {
		return nil
	}
	return p.config.DevelopmentHosts
}

// roles returns the roles of the program for users.Config: those of --config, which must have the named ones. Without
// it a command line does not know the roles of the program, so the named ones count as configured.
func (p storePlace) roles(named []string) (users.Roles, error) {
	if p.config == nil {
		all := users.Roles{}
		for _, role := range named {
			all[role] = nil
		}
		return all, nil
	}
	all := users.Roles(p.config.Users.Roles)
	for _, role := range named {
		if _, ok := all[role]; !ok {
			known := slices.Sorted(maps.Keys(all))
			return nil, usagef("[users.roles] of %s has no role %s: it has %s", p.file, calm(role), strings.Join(append(known, "no other"), ", "))
		}
	}
	return all, nil
}
