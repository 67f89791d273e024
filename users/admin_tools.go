package users

import "net/http"

// history shows the events of the account of a user.
func (c *adminCall) history() error {
	if c.flow.Pool() != c.dir.pool {
		return errElsewhere
	}
	if _, err := c.dir.User(c.r.Context(), c.target); err != nil {
		return err
	}
	events, err := c.flow.History(c.r.Context(), c.target)
	if err != nil {
		return err
	}
	c.flow.JSON(c.w, c.r, http.StatusOK, map[string]any{"events": events})
	return nil
}

// testMail mails the administrator.
func (c *adminCall) testMail() error {
	if err := c.flow.TestMail(c.r.Context(), c.actor); err != nil {
		return err
	}
	c.done("test mail sent", "")
	return nil
}
