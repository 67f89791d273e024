//go:build pages

package main

import (
	"github.com/posternauth/postern"
	"github.com/posternauth/postern/ui"
)

func init() {
	change = append(change, func(c *postern.Config) error {
		pages, err := ui.New(ui.Config{})
		if err != nil {
			return err
		}
		c.Render, c.Assets, c.Composer = pages.Render, pages, pages
		return nil
	})
}
