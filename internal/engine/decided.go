package engine

import "context"

// A process that has the books to itself notes when it has decided every unended grant under its rules, so that the next
// one need not do so again under the same. What is noted is true as long as nobody decides by other rules; so it is
// forgotten before that begins. On books that others share it is not kept: they may go by other rules meanwhile.

// TrustDecided takes the word of an earlier process that every unended grant was decided under the rules in force, and
// gives that word to the next. It is for a process that has the books to itself, before its Runner starts.
func (e *Engine) TrustDecided(ctx context.Context) error {
	digest := e.rules.Load().Digest
	var same bool
	err := e.update(ctx, txRules, func(c *change) error {
		noted, err := c.Rules().Decided(e.cfg.Tenant)
		if same = digest != "" && noted == digest; same || err != nil {
			return err
		}
		return c.Rules().SetDecided(e.cfg.Tenant, "")
	})
	if err != nil {
		return err
	}
	e.reconsidering.trust(same)
	return nil
}

// forgetDecided ends the round under way, and forgets what is noted. Until the next round begins nothing is noted.
func (e *Engine) forgetDecided(ctx context.Context) error {
	if !e.reconsidering.halt() {
		return nil
	}
	return e.update(ctx, txRules, func(c *change) error { return c.Rules().SetDecided(e.cfg.Tenant, "") })
}

// noteDecided notes that the round has come to its end, unless another has begun.
func (e *Engine) noteDecided(ctx context.Context, round int) error {
	return e.update(ctx, txRules, func(c *change) error {
		if !e.reconsidering.notable(round) {
			return nil
		}
		return c.Rules().SetDecided(e.cfg.Tenant, e.rules.Load().Digest)
	})
}
