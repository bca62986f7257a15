package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// lookAgain is the pause between two looks whether a token opens something.
const lookAgain = time.Millisecond

// lender gives somebody a token that opens the namespace orders, and takes back what it gave.
type lender interface {
	give(context.Context) (token string, take func(context.Context) error, err error)
}

// measureCluster is number 9: from the request over HTTP until the token opens what it is for, and from its return until the
// token is refused. The limit does the same with bare calls at the same API server, as a script would: account, token and
// binding, and both deleted again.
func measureCluster(ctx context.Context, s settings) (_ []figure, err error) {
	c, err := startCluster(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	server, err := c.start(ctx)
	if err != nil {
		return nil, err
	}
	ours, bare := &lentByCurfew{newLogins(c.installation, server.url)}, &lentByHand{cluster: c}
	peers := c.processes()
	measured := append([]int{server.pid()}, peers...)
	turn := func(l lender, workers int, pids []int) side {
		return func(ctx context.Context, d time.Duration) (sample, error) {
			return load(ctx, workers, d, pids, func(ctx context.Context, _ int) error {
				_, _, err := c.lend(ctx, l)
				return err
			})
		}
	}
	rounds, err := paired(ctx, s, turn(ours, s.workers, measured), turn(bare, s.workers, peers))
	if err != nil {
		return nil, errors.Join(err, server.kill())
	}
	alone, err := c.compareAlone(ctx, s, ours, bare)
	if err != nil {
		return nil, errors.Join(err, server.kill())
	}
	verdict, err := c.gate(ctx, s, server, ours)
	return slices.Concat(compared(rounds, "≥ 90 % of the limit's rate"), alone, verdict), err
}

// lend gives and takes once, and returns how long it took until each was in force.
func (c *cluster) lend(ctx context.Context, l lender) (given, taken time.Duration, err error) {
	began := time.Now()
	token, take, err := l.give(ctx)
	if err == nil {
		err = c.await(ctx, token, true)
	}
	if err != nil {
		return 0, 0, err
	}
	given, began = time.Since(began), time.Now()
	if err = take(ctx); err == nil {
		err = c.await(ctx, token, false)
	}
	return given, time.Since(began), err
}

// await looks until a token opens something, or does so no more.
func (c *cluster) await(ctx context.Context, token string, open bool) error {
	for began := time.Now(); ; sleep(ctx, lookAgain) {
		now, err := c.opens(ctx, token)
		switch {
		case err != nil || now == open:
			return err
		case time.Since(began) > time.Minute:
			return fmt.Errorf("after a minute it is still %t that the token opens something", now)
		}
	}
}

// compareAlone has one worker lend without company, in turn by Curfew and by hand, and compares the medians.
func (c *cluster) compareAlone(ctx context.Context, s settings, ours, bare lender) ([]figure, error) {
	var given, taken, overGiven, overTaken []float64
	for range s.rounds {
		var medians [2][2]float64 // of giving and taking, by each
		for i, l := range []lender{ours, bare} {
			var gives, takes []time.Duration
			for began := time.Now(); time.Since(began) < s.block/2; {
				g, t, err := c.lend(ctx, l)
				if err != nil {
					return nil, err
				}
				gives, takes = append(gives, g), append(takes, t)
			}
			medians[i] = [2]float64{milliseconds(percentile(gives, 0.5)), milliseconds(percentile(takes, 0.5))}
		}
		given, taken = append(given, medians[0][0]), append(taken, medians[0][1])
		overGiven, overTaken = append(overGiven, medians[0][0]-medians[1][0]), append(overTaken, medians[0][1]-medians[1][1])
	}
	return []figure{
		estimate("request until in force, p50 alone", "ms", given, "", ""),
		estimate("that, over the bare calls", "ms", overGiven, "≤ 1 ms", "paired"),
		estimate("return until refused, p50 alone", "ms", taken, "", ""),
		estimate("that, over the bare calls", "ms", overTaken, "≤ 1 ms", "paired"),
	}, nil
}

// lentByCurfew asks the server under measurement, opens the credential, and returns the grant.
type lentByCurfew struct{ *logins }

func (l *lentByCurfew) give(ctx context.Context) (string, func(context.Context) error, error) {
	l.mu.Lock()
	l.asked++
	name := asker(l.asked)
	l.mu.Unlock()
	id, credential, err := l.takeGrant(ctx, name)
	return credential.Password, func(ctx context.Context) error {
		return l.anybody.as(l.installation.token(name)).call(ctx, http.MethodPost, "/v1/grants/"+string(id)+"/return", nil, nil)
	}, err
}

// lentByHand does the least that an API server must do for the same.
type lentByHand struct {
	*cluster
	made atomic.Int64
}

func (l *lentByHand) give(ctx context.Context) (string, func(context.Context) error, error) {
	name := "by-hand-" + strconv.FormatInt(l.made.Add(1), 10)
	named := map[string]any{"name": name}
	take := func(ctx context.Context) error {
		return errors.Join(l.admin.call(ctx, http.MethodDelete, bindingsPath+"/"+name, nil, nil), l.admin.call(ctx, http.MethodDelete, accountsPath+"/"+name, nil, nil))
	}
	if err := l.post(ctx, accountsPath, map[string]any{"metadata": named}, nil); err != nil {
		return "", take, err
	}
	token, err := l.issue(ctx, accountsPath+"/"+name)
	if err != nil {
		return "", take, err
	}
	return token, take, l.post(ctx, bindingsPath, map[string]any{
		"metadata": named,
		"roleRef":  map[string]string{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "orders-read"},
		"subjects": []any{map[string]string{"kind": "ServiceAccount", "name": name, "namespace": "curfew-accounts"}},
	}, nil)
}

// gate kills the server in the middle, holds the cluster against the books, starts it again, ends everything, and looks for
// what is left.
func (c *cluster) gate(ctx context.Context, s settings, server *child, ours *lentByCurfew) ([]figure, error) {
	killed := make(chan error, 1)
	time.AfterFunc(s.block/2, func() { killed <- server.kill() })
	_, err := load(ctx, s.workers, s.block*10, nil, func(ctx context.Context, _ int) error {
		_, _, err := c.lend(ctx, ours)
		return err
	})
	if err == nil {
		return nil, errors.New("the server was killed, and the work went on")
	}
	if err := <-killed; err != nil {
		return nil, err
	}
	if err := c.holdAgainstBooks(ctx, ours.granted); err != nil {
		return nil, fmt.Errorf("after kill -9: %w", err)
	}
	again, err := c.start(ctx)
	if err != nil {
		return nil, fmt.Errorf("starting again after kill -9: %w", err)
	}
	carol := newCaller(again.url, c.token("carol"))
	err = carol.call(ctx, http.MethodPost, "/v1/revocations", []byte(`{"everything":true,"reason":"the end of number 9"}`), nil)
	if err == nil {
		_, err = settleDown(ctx, c.installation, again, "curfew_grants")
	}
	if err = errors.Join(err, again.stop()); err != nil {
		return nil, err
	}
	left, err := c.marked(ctx)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("of %d grants, which have all ended, %d have objects", len(ours.granted), len(left))
	}
	return []figure{single("gate: unknown after kill -9, or left in the end", fmt.Sprintf("of %d", len(ours.granted)), float64(len(left)))}, err
}

// holdAgainstBooks fails when the books lack a grant that was answered for, when an active one has no binding or no account, or
// when an object belongs to none that lives. No server may run.
func (c *cluster) holdAgainstBooks(ctx context.Context, answered []access.GrantID) error {
	grants, err := c.grants(ctx)
	if err != nil {
		return err
	}
	objects, err := c.marked(ctx)
	if err != nil {
		return err
	}
	var lost, bare, strays int
	for _, id := range answered {
		if _, known := grants[id]; !known {
			lost++
		}
	}
	for id, g := range grants {
		if g.State == access.GrantActive && objects[id] < 2 {
			bare++
		}
	}
	for id := range objects {
		if !grants[id].State.Live() {
			strays++
		}
	}
	if lost+bare+strays > 0 {
		return fmt.Errorf("the books lack %d of %d grants, %d active ones lack an object, and of %d grants with objects %d do not live", lost, len(answered), bare, len(objects), strays)
	}
	return nil
}
