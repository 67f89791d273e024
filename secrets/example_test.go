package secrets_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/secrets"
)

func Example() {
	environment := map[string]string{"GOOGLE_CLIENT_ID": "1234.apps.example"} // in a program: os.LookupEnv
	s, err := secrets.Open(secrets.Config{App: "shop", Stage: "prod", Sources: []secrets.Source{
		secrets.Environment{LookupEnv: func(name string) (string, bool) { v, ok := environment[name]; return v, ok }},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := s.Get(context.Background(), "GOOGLE_CLIENT_ID")
	fmt.Println(id, err)

	_, err = s.Get(context.Background(), "SMTP_URL")
	fmt.Println(errors.Is(err, secrets.ErrMissing), err)
	// Output:
	// 1234.apps.example <nil>
	// true secrets: no value for SMTP_URL (shop/prod): set it with the variable SMTP_URL, or the file that SMTP_URL_FILE names
}

// On the machine of a developer the vault is a keys.FileVault. A value of one stage is none of another.
func ExampleSealed() {
	sealed := secrets.Sealed{Vault: &keys.MemoryVault{}}
	ctx := context.Background()
	key := secrets.Key{App: "shop", Stage: "dev", Kind: secrets.Secret, Name: "GOOGLE_CLIENT_SECRET"}
	if err := sealed.Set(ctx, key, "s3cret"); err != nil {
		fmt.Println(err)
		return
	}
	list, err := sealed.List(ctx, "shop", "dev")
	fmt.Println(len(list), list[0].Key, err)

	for _, stage := range []string{"dev", "staging"} {
		s, err := secrets.Open(secrets.Config{App: "shop", Stage: stage, Sources: []secrets.Source{sealed}})
		if err != nil {
			fmt.Println(err)
			return
		}
		value, err := s.Get(ctx, "GOOGLE_CLIENT_SECRET")
		fmt.Println(stage, len(value), errors.Is(err, secrets.ErrMissing))
	}
	// Output:
	// 1 GOOGLE_CLIENT_SECRET (shop/dev) <nil>
	// dev 6 false
	// staging 0 true
}
