//go:build passkey

package main

import "github.com/posternauth/postern/passkey"

func init() { providers["passkey"] = passkey.New(passkey.Config{}) }
