package secret_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
)

// vault is where the keys of an owner are kept, as a store does.
type vault struct {
	testing.TB
	wrapper secret.KeyWrapper
	owner   secret.Owner
	kept    []secret.WrappedKeys
}

func newVault(t testing.TB, w secret.KeyWrapper, tenant access.TenantID) *vault {
	t.Helper()
	v := &vault{TB: t, wrapper: w, owner: secret.Owner{Installation: "i1", Tenant: tenant}}
	v.rotate()
	return v
}

// rotate makes the next generation.
func (v *vault) rotate() {
	v.Helper()
	next := 1
	if len(v.kept) > 0 {
		next = v.kept[len(v.kept)-1].Generation + 1
	}
	made, err := secret.NewKeys(context.Background(), v.wrapper, v.owner, next)
	if err != nil {
		v.Fatal(err)
	}
	v.kept = append(v.kept, made)
}

func (v *vault) source(context.Context) ([]secret.WrappedKeys, error) {
	return slices.Clone(v.kept), nil
}

func (v *vault) open() *secret.Sealer {
	v.Helper()
	s, err := secret.OpenSealer(context.Background(), v.wrapper, v.owner, v.source)
	if err != nil {
		v.Fatal(err)
	}
	return s
}

func (v *vault) refresh(s *secret.Sealer) {
	v.Helper()
	if err := s.Refresh(context.Background()); err != nil {
		v.Fatal(err)
	}
}

var place = secret.Place{Table: "plans", Row: "gr_1", Column: "plan", Version: 1}

func seal(t testing.TB, s *secret.Sealer, p secret.Place, plain string) []byte {
	t.Helper()
	sealed, err := s.Seal(p, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealedBytesOpenOnlyInTheirPlace(t *testing.T) {
	w := wrapper(t)
	s := newVault(t, w, "a").open()
	sealed := seal(t, s, place, "the plan")
	if bytes.Contains(sealed, []byte("the plan")) {
		t.Fatal("the sealed bytes hold the plaintext")
	}
	if got, err := s.Open(place, sealed); err != nil || string(got) != "the plan" {
		t.Fatalf("Open = %q, %v", got, err)
	}
	if _, err := newVault(t, w, "b").open().Open(place, sealed); err == nil {
		t.Error("opened with another tenant's key")
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := s.Open(place, changed); err == nil {
			t.Errorf("opened with byte %d changed", i)
		}
	}
	for n := range sealed {
		if _, err := s.Open(place, sealed[:n]); err == nil {
			t.Errorf("opened the first %d bytes", n)
		}
	}
}

// TestSealedBytesOpenNowhereElse seals at drawn places, under drawn tenants and generations, and tries each of the sealed
// at the place, the tenant and the generation of each other.
func TestSealedBytesOpenNowhereElse(t *testing.T) {
	w := wrapper(t)
	part := rapid.SampledFrom([]string{"", "a", "b", "ab", "plans", "plan", "s", "gr_1", "\x00", "\x00\x00\x00\x01", "é"})
	drawn := rapid.Custom(func(t *rapid.T) secret.Place {
		return secret.Place{Table: part.Draw(t, "table"), Row: part.Draw(t, "row"), Column: part.Draw(t, "column"), Version: rapid.IntRange(0, 3).Draw(t, "version")}
	})
	vaults := map[access.TenantID]*vault{"a": newVault(t, w, "a"), "b": newVault(t, w, "b")}
	sealers := map[access.TenantID][]*secret.Sealer{}
	for tenant, v := range vaults {
		for range 3 { // each has heard of one generation more
			sealers[tenant] = append(sealers[tenant], v.open())
			v.rotate()
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		type sealedAt struct {
			tenant     access.TenantID
			generation int
			place      secret.Place
		}
		whose := rapid.SampledFrom([]access.TenantID{"a", "b"})
		draw := func(name string) sealedAt {
			return sealedAt{whose.Draw(rt, name), rapid.IntRange(1, 3).Draw(rt, name), drawn.Draw(rt, name)}
		}
		from, to := draw("from"), draw("to")
		plain := rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(rt, "plain")
		sealed, err := sealers[from.tenant][from.generation-1].Seal(from.place, plain)
		if err != nil {
			rt.Fatal(err)
		}
		if g, err := secret.GenerationOf(sealed); err != nil || g != from.generation {
			rt.Fatalf("sealed by generation %d, says %d, %v", from.generation, g, err)
		}
		got, err := sealers[to.tenant][to.generation-1].Open(to.place, sealed)
		switch {
		case from.tenant == to.tenant && from.place == to.place && from.generation <= to.generation:
			if err != nil || !bytes.Equal(got, plain) {
				rt.Fatalf("%+v does not open at %+v: %v", from, to, err)
			}
		case err == nil:
			rt.Fatalf("%+v opens at %+v", from, to)
		case from.tenant == to.tenant && from.generation > to.generation && !errors.Is(err, secret.ErrUnknownGeneration):
			rt.Fatalf("a generation that is not in hand: %v", err)
		}
		// Another generation in the header is no way to have bytes opened by its key.
		relabelled := bytes.Clone(sealed)
		relabelled[4] = byte(from.generation%3 + 1)
		if _, err := sealers[from.tenant][2].Open(from.place, relabelled); err == nil {
			rt.Fatal("opened under another generation's label")
		}
	})
}

func TestRotation(t *testing.T) {
	v := newVault(t, wrapper(t), "a")
	s, late := v.open(), v.open()
	old, oldMAC := seal(t, s, place, "old"), mac(t, s, "mark", "gr_1")
	oldKey, err := s.SigningKey(1, "log")
	if err != nil {
		t.Fatal(err)
	}
	v.rotate()
	v.refresh(s)
	fresh, freshMAC := seal(t, s, place, "fresh"), mac(t, s, "mark", "gr_1")
	if g := s.Generation(); g != 2 || !slices.Equal(s.Generations(), []int{2, 1}) {
		t.Errorf("generation %d of %v", g, s.Generations())
	}
	for name, sealed := range map[string][]byte{"old": old, "fresh": fresh} {
		if got, err := s.Open(place, sealed); err != nil || string(got) != name {
			t.Errorf("%s opens as %q, %v", name, got, err)
		}
	}
	if got := s.VerifyMAC(oldMAC, "mark", "gr_1"); got != 1 {
		t.Errorf("the old MAC is generation %d's", got)
	}
	if got := s.VerifyMAC(freshMAC, "mark", "gr_1"); got != 2 {
		t.Errorf("the fresh MAC is generation %d's", got)
	}
	if under, err := s.MACUnder(1, "mark", "gr_1"); err != nil || !bytes.Equal(under, oldMAC) {
		t.Errorf("under generation 1 it is %x, %v; want %x", under, err, oldMAC)
	}
	if again, err := s.SigningKey(1, "log"); err != nil || !again.Equal(oldKey) {
		t.Errorf("the old signing key is another one, %v", err)
	}
	if next, err := s.SigningKey(2, "log"); err != nil || next.Equal(oldKey) {
		t.Errorf("the new generation signs with the old key, %v", err)
	}
	if _, err := late.Open(place, fresh); !errors.Is(err, secret.ErrUnknownGeneration) {
		t.Errorf("who has not looked: %v", err)
	}
	if _, err := late.MACUnder(2, "mark"); !errors.Is(err, secret.ErrUnknownGeneration) {
		t.Errorf("who has not looked: %v", err)
	}

	v.kept[0].Sealing = nil
	v.refresh(s)
	if _, err := s.Open(place, old); err == nil || errors.Is(err, secret.ErrUnknownGeneration) || !strings.Contains(err.Error(), "destroyed") {
		t.Errorf("what a destroyed key has sealed: %v", err)
	}
	if s.VerifyMAC(oldMAC, "mark", "gr_1") != 1 {
		t.Error("a mark no longer verifies because the sealing key was destroyed")
	}
	v.kept = v.kept[1:]
	v.refresh(s)
	if s.VerifyMAC(oldMAC, "mark", "gr_1") != 0 || s.VerifyMAC(freshMAC, "mark", "gr_1") != 2 {
		t.Error("a generation that is gone still verifies, or the one that stays does not")
	}
	if _, err := s.SigningKey(1, "log"); !errors.Is(err, secret.ErrUnknownGeneration) {
		t.Errorf("the signing key of a generation that is gone: %v", err)
	}
}

// An error of the source, or of the KeyWrapper, leaves a node with the keys that it has.
func TestRefreshKeepsWhatItHas(t *testing.T) {
	v := newVault(t, wrapper(t), "a")
	s := v.open()
	sealed := seal(t, s, place, "kept")
	for name, spoil := range map[string]func(){
		"no keys at all":            func() { v.kept = nil },
		"wrapped by another":        func() { v.kept = append(v.kept[:1:1], newVault(t, wrapper(t), "a").kept[0]); v.kept[1].Generation = 2 },
		"the newest does not seal":  func() { v.rotate(); v.kept[1].Sealing = nil },
		"more than can be in hand":  func() { v.kept = slices.Repeat(v.kept[:1], 101) },
		"an authentication missing": func() { v.rotate(); v.kept[1].Authentication = nil },
	} {
		before := slices.Clone(v.kept)
		spoil()
		if err := s.Refresh(t.Context()); err == nil {
			t.Errorf("%s: no error", name)
		}
		if got, err := s.Open(place, sealed); err != nil || string(got) != "kept" || s.Generation() != 1 {
			t.Errorf("%s: then it opens as %q, %v", name, got, err)
		}
		v.kept = before
	}
}

// No wrapped key can be put in the place of another: of another tenant, installation, generation or use.
func TestWrappedKeysOpenOnlyInTheirPlace(t *testing.T) {
	v := newVault(t, wrapper(t), "a")
	v.rotate()
	for name, swap := range map[string]func(keys []secret.WrappedKeys, o *secret.Owner){
		"tenant":       func(_ []secret.WrappedKeys, o *secret.Owner) { o.Tenant = "b" },
		"installation": func(_ []secret.WrappedKeys, o *secret.Owner) { o.Installation = "i2" },
		"generation": func(keys []secret.WrappedKeys, _ *secret.Owner) {
			keys[0].Sealing, keys[1].Sealing = keys[1].Sealing, keys[0].Sealing
		},
		"use": func(keys []secret.WrappedKeys, _ *secret.Owner) {
			keys[1].Sealing, keys[1].Authentication = keys[1].Authentication, keys[1].Sealing
		},
	} {
		kept, owner := slices.Clone(v.kept), v.owner
		swap(kept, &owner)
		source := func(context.Context) ([]secret.WrappedKeys, error) { return kept, nil }
		if _, err := secret.OpenSealer(t.Context(), v.wrapper, owner, source); err == nil {
			t.Errorf("another %s: opened", name)
		}
	}
	v.open() // otherwise the above says nothing
}

func TestAnotherKeyFileDoesNotOpen(t *testing.T) {
	v := newVault(t, wrapper(t), "a")
	other := wrapper(t)
	_, err := secret.OpenSealer(t.Context(), other, v.owner, v.source)
	if err == nil || !strings.Contains(err.Error(), other.Name()) || !strings.Contains(err.Error(), v.wrapper.Name()) {
		t.Errorf("opened with another installation's key file, or not said which is wanted: %v", err)
	}
	if access.KindOf(err) != access.KindMisconfigured {
		t.Errorf("kind %s", access.KindOf(err))
	}
}

func TestRewrap(t *testing.T) {
	v := newVault(t, wrapper(t), "a")
	v.rotate()
	v.kept[0].Sealing = nil
	s := v.open()
	sealed, made := seal(t, s, place, "kept"), mac(t, s, "mark")
	oldMAC, err := s.MACUnder(1, "mark")
	if err != nil {
		t.Fatal(err)
	}
	to := wrapper(t)
	for i, k := range v.kept {
		if v.kept[i], err = s.Rewrap(t.Context(), to, k); err != nil {
			t.Fatal(err)
		}
	}
	if len(v.kept[0].Sealing) != 0 {
		t.Error("a destroyed key is there again")
	}
	v.refresh(s) // which has the keys already, and needs nobody to unwrap them
	v.wrapper = to
	again := v.open()
	if got, err := again.Open(place, sealed); err != nil || string(got) != "kept" {
		t.Errorf("it opens as %q, %v", got, err)
	}
	if again.VerifyMAC(made, "mark") != 2 || again.VerifyMAC(oldMAC, "mark") != 1 {
		t.Error("the MACs are others'")
	}
}

func TestMACDependsOnEveryPart(t *testing.T) {
	w := wrapper(t)
	s := newVault(t, w, "a").open()
	base := mac(t, s, "mark", "x", "yz")
	for name, m := range map[string][]byte{
		"purpose": mac(t, s, "other", "x", "yz"),
		"split":   mac(t, s, "mark", "xy", "z"),
		"count":   mac(t, s, "mark", "x", "yz", ""),
		"tenant":  mac(t, newVault(t, w, "b").open(), "mark", "x", "yz"),
	} {
		if bytes.Equal(base, m) || s.VerifyMAC(m, "mark", "x", "yz") != 0 {
			t.Errorf("%s: same MAC", name)
		}
	}
	for _, m := range [][]byte{nil, base[:15], append(bytes.Clone(base), 0)} {
		if s.VerifyMAC(m, "mark", "x", "yz") != 0 {
			t.Errorf("a MAC of %d bytes verifies", len(m))
		}
	}
	if !bytes.Equal(base, mac(t, s, "mark", "x", "yz")) || s.VerifyMAC(base, "mark", "x", "yz") != 1 {
		t.Error("MAC is not a function of its parts")
	}
}

func TestSigningKeysDiffer(t *testing.T) {
	w := wrapper(t)
	a := newVault(t, w, "a").open()
	seen := map[string]string{}
	for name, of := range map[string]func() (ed25519.PrivateKey, error){
		"log": func() (ed25519.PrivateKey, error) { return a.SigningKey(1, "log") }, "head": func() (ed25519.PrivateKey, error) { return a.SigningKey(1, "head") },
		"another tenant": func() (ed25519.PrivateKey, error) { return newVault(t, w, "b").open().SigningKey(1, "log") },
	} {
		key, err := of()
		if err != nil {
			t.Fatal(err)
		}
		if other, there := seen[string(key)]; there {
			t.Errorf("%s and %s have one key", name, other)
		}
		seen[string(key)] = name
	}
}

// What is wrapped by one file is told apart by its name, which says nothing of the key.
func TestKeyFileName(t *testing.T) {
	a, b := wrapper(t), wrapper(t)
	if a.Name() == b.Name() || !strings.HasPrefix(a.Name(), "file ") || len(a.Name()) != len("file ")+8 {
		t.Errorf("the files are called %q and %q", a.Name(), b.Name())
	}
}

// mac authenticates under the newest generation.
func mac(t testing.TB, s *secret.Sealer, purpose string, parts ...string) []byte {
	t.Helper()
	mac, err := s.MACUnder(s.Generation(), purpose, parts...)
	if err != nil {
		t.Fatal(err)
	}
	return mac
}
