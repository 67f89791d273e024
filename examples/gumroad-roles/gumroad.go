package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/posternauth/postern/provision"
	"github.com/posternauth/postern/store"
)

// gumroad is a shop at Gumroad, which posts a form for each sale ("Ping", https://gumroad.com/ping). It signs nothing,
// so the sale is read from its API again before anybody gets a role.
type gumroad struct {
	api, token string // the API, and an access token with the scope view_sales
	product    string // the id of the product that is the course
	client     *http.Client
}

func (g gumroad) webhook(secret string, s store.Store, u provision.Users) (http.Handler, error) {
	return provision.Webhook(provision.WebhookConfig{
		Name:    "gumroad",
		Scheme:  provision.Token(func(r *http.Request) string { return r.PathValue("secret") }),
		Secrets: []string{secret},
		Store:   s,
		Users:   u,
		Roles:   []string{"course"},
		Parse:   g.parse,
		Confirm: g.confirm,
		ID:      func(e provision.Event) string { return e.Form.Get("sale_id") },
	})
}

func (g gumroad) parse(e provision.Event) (provision.Grant, error) {
	if e.Form.Get("product_id") != g.product || e.Form.Get("refunded") == "true" {
		return provision.Grant{}, provision.ErrIgnored
	}
	return provision.Grant{Email: e.Form.Get("email"), Name: e.Form.Get("full_name"), Roles: []string{"course"}}, nil
}

// confirm reads the sale: GET /v2/sales/:id.
func (g gumroad) confirm(ctx context.Context, e provision.Event, grant provision.Grant) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.api+"/v2/sales/"+url.PathEscape(e.ID), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+g.token)
	res, err := g.client.Do(req)
	if err != nil {
		return fmt.Errorf("read the sale at Gumroad: %w", err)
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotFound:
		return provision.ErrRefused
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("read the sale at Gumroad: status %d", res.StatusCode)
	}
	var answer struct {
		Success bool
		Sale    struct {
			Product  string `json:"product_id"`
			Email    string
			Refunded bool
		}
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&answer); err != nil {
		return fmt.Errorf("read the sale at Gumroad: %w", err)
	}
	sale := answer.Sale
	if !answer.Success || sale.Refunded || sale.Product != g.product || !provision.SameAddress(sale.Email, grant.Email) {
		return provision.ErrRefused
	}
	return nil
}
