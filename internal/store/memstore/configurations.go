package memstore

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// configuration is a version with its text and what was said of it, oldest first.
type configuration struct {
	store.Configuration
	text      store.Sealed
	approvals []store.ConfigurationApproval
}

// configurations implements store.Configurations.
type configurations struct{ tx *tx }

func (c configurations) Put(v store.Configuration, text store.Sealed) error {
	if err := c.tx.mayWrite(); err != nil {
		return err
	}
	if !c.tx.seals(v.Tenant, text.Generation) {
		return access.Errorf(access.KindConflict, "Generation %d of the keys seals no more; seal it anew.", text.Generation)
	}
	if v.Digest == "" || v.State != store.ConfigurationInForce && v.State != store.ConfigurationWaiting {
		return c.tx.refuse("The store refuses a version of the configuration without a digest, or in no state.")
	}
	v.Since = whole(v.Since)
	text.Bytes = bytes.Clone(text.Bytes)
	c.tx.books.configurations.mine(c.tx)[key{v.Tenant, string(v.State)}] = configuration{Configuration: v, text: text}
	return nil
}

func (c configurations) find(tenant access.TenantID, state store.ConfigurationState) (configuration, error) {
	return find(c.tx, c.tx.books.configurations.rows, "configuration", key{tenant, string(state)})
}

func (c configurations) Get(tenant access.TenantID, state store.ConfigurationState) (store.Configuration, error) {
	v, err := c.find(tenant, state)
	return v.Configuration, err
}

func (c configurations) Text(tenant access.TenantID, state store.ConfigurationState) (store.SealedConfiguration, error) {
	v, err := c.find(tenant, state)
	return v.sealed(), err
}

func (v configuration) sealed() store.SealedConfiguration {
	return store.SealedConfiguration{State: v.State, Digest: v.Digest, Sealed: v.text}
}

func (c configurations) Withdraw(tenant access.TenantID) error {
	if err := c.tx.mayWrite(); err != nil {
		return err
	}
	delete(c.tx.books.configurations.mine(c.tx), key{tenant, string(store.ConfigurationWaiting)})
	return nil
}

func (c configurations) Approve(a store.ConfigurationApproval) error {
	if err := c.tx.mayWrite(); err != nil {
		return err
	}
	if a.Person == "" {
		return c.tx.refuse("The store refuses an approval by nobody.")
	}
	v := c.tx.books.configurations.rows[key{a.Tenant, string(store.ConfigurationWaiting)}]
	by := func(other store.ConfigurationApproval) bool { return other.Person == a.Person }
	switch {
	case v.Digest == "" || v.Digest != a.Digest:
		return movedOn("configuration", string(store.ConfigurationWaiting))
	case slices.ContainsFunc(v.approvals, by):
		return access.Errorf(access.KindConflict, "There is a approval of the configuration by %.128q already.", a.Person)
	}
	a.At = whole(a.At)
	v.approvals = append(slices.Clone(v.approvals), a)
	c.tx.books.configurations.mine(c.tx)[key{a.Tenant, string(store.ConfigurationWaiting)}] = v
	return nil
}

func (c configurations) Approvals(tenant access.TenantID) ([]store.ConfigurationApproval, error) {
	list := slices.Clone(c.tx.books.configurations.rows[key{tenant, string(store.ConfigurationWaiting)}].approvals)
	slices.SortFunc(list, func(a, b store.ConfigurationApproval) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Person, b.Person))
	})
	return list, c.tx.mayRead()
}

func (c configurations) Disapprove(tenant access.TenantID, person access.PersonID) error {
	if err := c.tx.mayWrite(); err != nil {
		return err
	}
	k := key{tenant, string(store.ConfigurationWaiting)}
	if v, there := c.tx.books.configurations.rows[k]; there {
		v.approvals = slices.DeleteFunc(slices.Clone(v.approvals), func(a store.ConfigurationApproval) bool { return a.Person == person })
		c.tx.books.configurations.mine(c.tx)[k] = v
	}
	return nil
}

func (c configurations) SealedBefore(tenant access.TenantID, generation int) ([]store.SealedConfiguration, error) {
	var list []store.SealedConfiguration
	for k, v := range c.tx.books.configurations.rows {
		if k.tenant == tenant && v.text.Generation < generation {
			list = append(list, v.sealed())
		}
	}
	slices.SortFunc(list, func(a, b store.SealedConfiguration) int { return cmp.Compare(a.State, b.State) })
	return list, c.tx.mayRead()
}

func (c configurations) Reseal(tenant access.TenantID, was store.SealedConfiguration, now store.Sealed) error {
	if err := c.tx.mayWrite(); err != nil {
		return err
	}
	k := key{tenant, string(was.State)}
	v, there := c.tx.books.configurations.rows[k]
	if !there || !bytes.Equal(v.text.Bytes, was.Bytes) || !c.tx.seals(tenant, now.Generation) {
		return movedOn("configuration", string(was.State))
	}
	v.text = store.Sealed{Generation: now.Generation, Bytes: bytes.Clone(now.Bytes)}
	c.tx.books.configurations.mine(c.tx)[k] = v
	return nil
}
