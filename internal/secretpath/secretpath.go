// Package secretpath is what the sources of package secrets on AWS have in common: where their values lie.
package secretpath

import (
	"cmp"
	"fmt"

	"github.com/posternauth/postern/secrets"
)

// SST is the prefix of a source whose Config has none.
const SST = "/sst"

// Open checks the Config of a source, whose package has a name, and returns the prefix of its paths.
func Open(name string, client any, prefix string) (string, error) {
	if client == nil {
		return "", fmt.Errorf("%s: Config.Client is missing", name)
	}
	prefix = cmp.Or(prefix, SST)
	if err := secrets.CheckPrefix(prefix); err != nil {
		return "", fmt.Errorf("%s: Config.Prefix: %w", name, err)
	}
	return prefix, nil
}

// Below returns the part that the paths of an application and a stage have in common, with a slash at its end.
func Below(prefix, app, stage string) (string, error) {
	if err := (secrets.Key{App: app, Stage: stage, Kind: secrets.Secret, Name: "NAME"}).Check(); err != nil {
		return "", err
	}
	return prefix + "/" + app + "/" + stage + "/", nil
}
