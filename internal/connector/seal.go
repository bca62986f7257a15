package connector

import (
	"encoding/json"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
)

// seal checks what the driver brought about and seals its credential, which nobody else has seen in clear text.
func (c *Connector) seal(o Order, out Outcome) (Outcome, error) {
	credential := out.Credential
	out.Credential, out.Sealed = nil, nil
	wanted := len(o.Recipient) > 0
	switch {
	case wanted && credential == nil:
		return Outcome{}, c.errorf(access.KindInternal, "issued no credential; this is a defect of its driver")
	case !wanted && credential != nil:
		return Outcome{}, c.errorf(access.KindInternal, "issued a credential for nobody; this is a defect of its driver")
	case c.options.Type.Traits.NativeExpiry && out.NativeExpiry.IsZero():
		return Outcome{}, c.errorf(access.KindInternal, "made access that does not expire; this is a defect of its driver")
	case out.NativeExpiry.After(c.latestExpiry(o)):
		return Outcome{}, c.errorf(access.KindInternal,
			"made access that expires at %s, after its deadline %s; this is a defect of its driver",
			out.NativeExpiry.UTC().Format(time.RFC3339Nano), o.Deadline.UTC().Format(time.RFC3339Nano))
	}
	if !wanted {
		return out, nil
	}
	if err := credential.CheckVariables(); err != nil {
		return Outcome{}, access.Wrap(access.KindInternal, err, c.sentence("made a credential that nobody may use; this is a defect of its driver"))
	}
	plaintext, err := json.Marshal(credential) //nolint:gosec // G117: it is sealed in the next lines, and cleared
	if err != nil {
		return Outcome{}, err
	}
	defer clear(plaintext)
	b := secret.Binding{Tenant: o.Tenant, Grant: o.Grant, Principal: o.Principal, Attempt: o.Attempt}
	if out.Sealed, err = secret.SealTo(o.Recipient, b, plaintext); err != nil {
		return Outcome{}, err
	}
	return out, nil
}

// latestExpiry is when the access of an order must have expired: at its deadline, unless the target lets nothing expire so soon.
func (c *Connector) latestExpiry(o Order) time.Time {
	traits := c.options.Type.Traits
	if soonest := c.options.Clock.Now().Add(traits.ExpiryFloor + c.options.SkewLimit); traits.ExpiryFloor > 0 && soonest.After(o.Deadline) {
		return soonest
	}
	return o.Deadline
}
