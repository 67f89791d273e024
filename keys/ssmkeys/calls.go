package ssmkeys

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"github.com/posternauth/postern/internal/plainbody"
	"github.com/posternauth/postern/keys"
)

const batch = 10 // names that GetParameters and DeleteParameters take

// heads lists the versions, the newest last.
func (v *Vault) heads(ctx context.Context) ([]head, error) {
	list, pages, err := v.list(ctx, v.c.Path, false)
	if err != nil {
		return nil, err
	}
	var heads []head
	for _, p := range list {
		h, err := v.head(p)
		if err != nil {
			return nil, err
		}
		heads = append(heads, h)
	}
	sortHeads(heads)
	for pages > 1 { // what was saved between two pages may be on neither
		last := 0 // SSM may answer with pages that are empty
		if len(heads) > 0 {
			last = heads[len(heads)-1].number
		}
		next := v.name(last + 1)
		found, err := v.get(ctx, []string{next})
		if err != nil {
			return nil, err
		}
		p, ok := found[next]
		if !ok {
			break
		}
		h, err := v.head(p)
		if err != nil {
			return nil, err
		}
		heads = append(heads, h)
	}
	return heads, nil
}

func (v *Vault) head(p types.Parameter) (head, error) {
	name := aws.ToString(p.Name)
	if p.Type != types.ParameterTypeSecureString {
		return head{}, fmt.Errorf("ssmkeys: %s is a %s and not encrypted: treat what is in it as known", name, p.Type)
	}
	h, err := v.parseHead(name, aws.ToString(p.Value), aws.ToTime(p.LastModifiedDate))
	h.edits = p.Version
	return h, err
}

// list returns the parameters below a path and how many pages they took. Those of a recursive list are not decrypted.
func (v *Vault) list(ctx context.Context, path string, recursive bool) (list []types.Parameter, pages int, err error) {
	in := &ssm.GetParametersByPathInput{Path: &path, Recursive: &recursive, WithDecryption: aws.Bool(!recursive)}
	for {
		var out *ssm.GetParametersByPathOutput
		err := v.call(ctx, "listing "+path, func() (err error) {
			out, err = v.c.Client.GetParametersByPath(ctx, in, early)
			return err
		})
		if err != nil {
			return nil, 0, err
		}
		pages++
		list = append(list, out.Parameters...)
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return list, pages, nil
		}
	}
}

// get returns those of up to ten parameters that are there.
func (v *Vault) get(ctx context.Context, names []string) (map[string]types.Parameter, error) {
	var out *ssm.GetParametersOutput
	err := v.call(ctx, "reading "+names[0], func() (err error) {
		out, err = v.c.Client.GetParameters(ctx, &ssm.GetParametersInput{Names: names, WithDecryption: aws.Bool(true)}, early)
		return err
	})
	if err != nil {
		return nil, err
	}
	found := map[string]types.Parameter{}
	for _, p := range out.Parameters {
		found[aws.ToString(p.Name)] = p
	}
	return found, nil
}

// whole returns the text of a version: that of its head and of its parts.
func (v *Vault) whole(ctx context.Context, h head) (string, error) {
	var text strings.Builder
	text.WriteString(h.Text)
	var names []string
	for i := range h.Parts {
		if names = append(names, v.partName(h, i)); len(names) < batch && i+1 < h.Parts {
			continue
		}
		found, err := v.get(ctx, names)
		if err != nil {
			return "", err
		}
		for _, name := range names {
			p, ok := found[name]
			if !ok {
				return "", errParts
			}
			text.WriteString(aws.ToString(p.Value))
		}
		names = nil
	}
	return text.String(), nil
}

// write makes the parameters of a version: the parts, and then the head, which makes it the newest.
func (v *Vault) write(ctx context.Context, h head, parts []string) error {
	for i, text := range parts {
		if err := v.put(ctx, v.partName(h, i), text); err != nil {
			v.forget(ctx, h)
			return err
		}
	}
	value, err := h.marshal()
	if err != nil {
		return err
	}
	name := v.name(h.number)
	failed := v.put(ctx, name, value)
	if failed == nil {
		return nil
	}
	// An answer may have been lost, and the Client may have asked twice: then the version is this one.
	found, err := v.get(ctx, []string{name})
	if err != nil {
		return failed
	}
	p, exists := found[name]
	there, err := v.head(p)
	switch {
	case exists && err != nil:
		return err
	case exists && there.ID == h.ID:
		return nil
	}
	v.forget(ctx, h)
	if exists {
		return keys.ErrConflict
	}
	return failed
}

func (v *Vault) put(ctx context.Context, name, value string) error {
	in := &ssm.PutParameterInput{
		Name: &name, Value: &value, Type: types.ParameterTypeSecureString, Tier: types.ParameterTierStandard, Overwrite: aws.Bool(false),
	}
	if v.c.KeyID != "" {
		in.KeyId = &v.c.KeyID
	}
	return v.call(ctx, "saving "+name, func() error {
		_, err := v.c.Client.PutParameter(ctx, in, early)
		return err
	})
}

// forget removes the parts of a version that did not come to be.
func (v *Vault) forget(ctx context.Context, h head) {
	ctx = context.WithoutCancel(ctx)
	var names []string
	for i := range h.Parts {
		names = append(names, v.partName(h, i))
	}
	v.stay(ctx, v.remove(ctx, names))
}

// maxSwept bounds what one sweep removes.
const maxSwept = 20

// sweep removes versions that have been out of use for longer than keep, and never the last of heads.
func (v *Vault) sweep(ctx context.Context, heads []head) error {
	for i := 0; i+1 < len(heads) && i < maxSwept; i++ {
		if v.c.Now().Sub(heads[i+1].modified) < keep {
			return nil
		}
		name := v.name(heads[i].number)
		parts, _, err := v.list(ctx, name, true) // those of saves that died as well
		if err != nil {
			return err
		}
		var names []string
		for _, p := range parts {
			names = append(names, aws.ToString(p.Name))
		}
		if err := v.remove(ctx, append(names, name)); err != nil { // the head last, or parts would be left behind
			return err
		}
	}
	return nil
}

// remove removes parameters, in this order.
func (v *Vault) remove(ctx context.Context, names []string) error {
	for len(names) > 0 {
		n := min(len(names), batch)
		err := v.call(ctx, "removing "+names[0], func() error {
			_, err := v.c.Client.DeleteParameters(ctx, &ssm.DeleteParametersInput{Names: names[:n]}, early)
			return err
		})
		if err != nil {
			return err
		}
		names = names[n:]
	}
	return nil
}

// stay logs why parameters that are out of use stay. The save before it is good all the same.
func (v *Vault) stay(ctx context.Context, err error) {
	if err != nil && !v.lacks(ctx, err) {
		v.c.Logger.WarnContext(ctx, "ssmkeys: old versions of the ring could not be removed; the next save tries again", "path", v.c.Path, "error", err)
	}
}

// unswept is how long a version stays out of use where a rotator runs daily, and one more day.
const unswept = 48 * time.Hour

// lacks reports whether err says that this program may not remove parameters, and logs that once. It has nothing to
// repair, as a rotator does it.
func (v *Vault) lacks(ctx context.Context, err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "AccessDeniedException" {
		return false
	}
	if !v.denied.Swap(true) {
		v.c.Logger.InfoContext(ctx, "ssmkeys: this program may not remove old versions of the ring; a rotator does", "path", v.c.Path)
	}
	return true
}

const (
	maxAttempts = 10
	firstPause  = 50 * time.Millisecond
	longPause   = 5 * time.Second
)

// call makes a call, and again with growing pauses while SSM throttles it. Any other error is keys.ErrUnavailable.
func (v *Vault) call(ctx context.Context, what string, f func() error) error {
	for attempt := 1; ; attempt++ {
		err := ctx.Err()
		if err == nil {
			err = f()
		}
		if err == nil {
			return nil
		}
		if attempt < maxAttempts && throttled(err) {
			pause := min(firstPause<<(attempt-1), longPause)
			timer := time.NewTimer(rand.N(pause) + pause/4)
			select {
			case <-timer.C:
				continue
			case <-ctx.Done():
				timer.Stop()
			}
		}
		return fmt.Errorf("%w: ssmkeys: %s: %w", keys.ErrUnavailable, what, err)
	}
}

// throttled reports whether SSM asks to come back later. TooManyUpdates is its word for two writers of one parameter.
func throttled(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	_, ok := retry.DefaultThrottleErrorCodes[api.ErrorCode()]
	return ok || api.ErrorCode() == "TooManyUpdates"
}

// early is an option of each call: an answer that comes early is not lost.
func early(o *ssm.Options) { o.APIOptions = append(o.APIOptions, plainbody.Add) }
