package passkey

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// go-webauthn reads what comes from outside, and checks it (sections 7.1 and 7.2). What the policy of this package is
// stands here.

const (
	maxCredential = 32 << 10 // bytes of the JSON of a credential
	maxKey        = 2 << 10  // of a public key
	maxTransports = 8
)

var (
	errFormat = errors.New("passkey: the attestation is neither none nor of the passkey itself; none was asked for")
	errOrigin = errors.New("passkey: it was made on a page of an origin that the configuration does not have")
	errBackup = errors.New("passkey: it is backed up, but says that it cannot be")
)

// attested are the formats that a browser may send where no attestation was asked for (section 5.4.7): none, and that
// of a passkey which vouches for itself.
func attested(a *protocol.AttestationObject) bool {
	_, certified := a.AttStatement["x5c"]
	return a.Format == "none" || a.Format == "packed" && !certified
}

// register checks a new passkey (section 7.1).
func (p party) register(c ceremony, text string) (row, error) {
	if len(text) > maxCredential {
		return row{}, invalid(errors.New("passkey: the credential is too long"))
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(text))
	if err != nil {
		return row{}, invalid(describe(err))
	}
	data := &parsed.Response.AttestationObject.AuthData
	switch {
	case !slices.Contains(p.origins, parsed.Response.CollectedClientData.Origin):
		return row{}, invalid(errOrigin)
	case !attested(&parsed.Response.AttestationObject):
		return row{}, invalid(errFormat)
	}
	var algs []protocol.CredentialParameter
	for _, alg := range c.Algs {
		algs = append(algs, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.COSEAlgorithmIdentifier(alg)})
	}
	_, err = parsed.Verify(c.Challenge, p.id, p.origins, nil, nil, protocol.TopOriginExplicitVerificationMode, false, false, !c.Silent,
		nil, algs, protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	switch {
	case err != nil:
		return row{}, invalid(describe(err))
	case !c.Silent && !data.Flags.HasUserVerified():
		return row{}, errUnverified
	case len(parsed.RawID) > maxID, len(data.AttData.CredentialPublicKey) > maxKey:
		return row{}, invalid(errors.New("passkey: its id or its key is too long"))
	case data.Flags.HasBackupState() && !data.Flags.HasBackupEligible():
		return row{}, invalid(errBackup)
	}
	r := row{
		ID: bytes.Clone(parsed.RawID), Key: bytes.Clone(data.AttData.CredentialPublicKey), Count: data.Counter,
		Synced: data.Flags.HasBackupEligible(), BackedUp: data.Flags.HasBackupState(), Model: modelID(data.AttData.AAGUID),
	}
	for _, t := range parsed.Response.Transports {
		if len(t) > 0 && len(t) <= 32 && strings.Trim(string(t), "abcdefghijklmnopqrstuvwxyz-") == "" && len(r.Transports) < maxTransports {
			r.Transports = append(r.Transports, string(t))
		}
	}
	return r, nil
}

// modelID writes an AAGUID as a UUID; empty for an authenticator that does not name its model.
func modelID(aaguid []byte) string {
	if len(aaguid) != 16 || bytes.Equal(aaguid, make([]byte, 16)) {
		return ""
	}
	s := hex.EncodeToString(aaguid)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// A shown credential is one that was read and not checked yet.
type shown struct {
	id, handle []byte
	parsed     *protocol.ParsedCredentialAssertionData
}

// read reads the credential of a form.
func read(text string) (shown, error) {
	switch {
	case text == "":
		return shown{}, errNone
	case len(text) > maxCredential:
		return shown{}, invalid(errors.New("passkey: the credential is too long"))
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(text))
	if err != nil {
		return shown{}, invalid(describe(err))
	}
	if len(parsed.RawID) > maxID {
		return shown{}, invalid(errors.New("passkey: its id is too long"))
	}
	return shown{parsed.RawID, parsed.Response.UserHandle, parsed}, nil
}

func (s shown) verified() bool { return s.parsed.Response.AuthenticatorData.Flags.HasUserVerified() }

// assert checks a passkey that was shown, with its row (section 7.2). It returns the row with what has changed, and
// whether the counter went back, which is what two copies of one passkey look like.
func (p party) assert(c ceremony, s shown, r row, verify bool, now time.Time) (next row, cloned bool, err error) {
	data := s.parsed.Response.AuthenticatorData
	if !slices.Contains(p.origins, s.parsed.Response.CollectedClientData.Origin) {
		return r, false, invalid(errOrigin)
	}
	err = s.parsed.Verify(c.Challenge, p.id, "", p.origins, nil, nil, protocol.TopOriginExplicitVerificationMode, false, false, true,
		r.Key, protocol.SignaturePolicy{})
	switch {
	case err != nil:
		return r, false, invalid(describe(err))
	case verify && !s.verified():
		return r, false, errUnverified
	case data.Flags.HasBackupEligible() != r.Synced:
		return r, false, invalid(errors.New("passkey: it says of itself whether it can be backed up, and this changed"))
	case data.Flags.HasBackupState() && !r.Synced:
		return r, false, invalid(errBackup)
	}
	cloned = (data.Counter > 0 || r.Count > 0) && data.Counter <= r.Count
	next = r
	next.Count, next.BackedUp, next.Used = max(r.Count, data.Counter), data.Flags.HasBackupState(), now.UTC()
	return next, cloned, nil
}

// describe returns the error of go-webauthn with its details, which Error leaves out.
func describe(err error) error {
	var e *protocol.Error
	if errors.As(err, &e) {
		return fmt.Errorf("passkey: %s: %s %s", e.Type, e.Details, e.DevInfo)
	}
	return fmt.Errorf("passkey: %w", err)
}
