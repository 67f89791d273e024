package secrets_test

import (
	"context"
	"errors"
	"fmt"

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

	_, err = s.Get(context.Background(), "GOOGLE_CLIENT_SECRET")
	fmt.Println(errors.Is(err, secrets.ErrMissing), err)
	// Output:
	// 1234.apps.example <nil>
	// true secrets: no value for GOOGLE_CLIENT_SECRET (shop/prod): set it with postern secrets set GOOGLE_CLIENT_SECRET --app shop --stage prod
}
