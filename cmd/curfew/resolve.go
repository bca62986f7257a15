package main

import (
	"context"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

// pageSize is the longest page that the server gives.
const pageSize = 1000

func listGrants(ctx context.Context, c *client.Client, scope client.ListGrantsParamsScope, ended bool) ([]client.Grant, string, error) {
	return collect(func(after string) ([]client.Grant, string, error) {
		list, err := decode[client.GrantList](c.ListGrants(ctx, &client.ListGrantsParams{Scope: scope, Ended: ended, After: after, Limit: pageSize}))
		return list.Items, list.Next, err
	})
}

func listRequests(ctx context.Context, c *client.Client, scope client.ListRequestsParamsScope) ([]client.Request, string, error) {
	return collect(func(after string) ([]client.Request, string, error) {
		list, err := decode[client.RequestList](c.ListRequests(ctx, &client.ListRequestsParams{Scope: scope, After: after, Limit: pageSize}))
		return list.Items, list.Next, err
	})
}

// visible lists with the widest scope that the caller may use.
func visible[T, S any](list func(S) (items []T, next string, err error), all, mine S) ([]T, string, error) {
	items, next, err := list(all)
	if err != nil && access.KindOf(err) == access.KindDenied {
		return list(mine)
	}
	return items, next, err
}

// findGrant finds the grant that is meant: by its ID, by the last six characters of it, or by an entitlement of which
// one grant of mine is live. Others' grants are looked through for those who may see them.
func findGrant(ctx context.Context, c *client.Client, typed string) (client.Grant, error) {
	if strings.HasPrefix(typed, access.GrantPrefix) {
		return decode[client.Grant](c.GetGrant(ctx, typed))
	}
	live, _, err := listGrants(ctx, c, client.ListGrantsParamsScopeMine, false)
	if err != nil {
		return client.Grant{}, err
	}
	if strings.Contains(typed, "/") {
		return one(live, "live grant of yours", typed, func(g client.Grant) bool { return g.Entitlement == typed })
	}
	byID := func(g client.Grant) bool { return access.MatchesShort(access.GrantID(g.ID), typed) }
	if slices.ContainsFunc(live, byID) {
		return one(live, "grant", typed, byID)
	}
	all, _, err := visible(func(scope client.ListGrantsParamsScope) ([]client.Grant, string, error) {
		return listGrants(ctx, c, scope, true)
	}, client.ListGrantsParamsScopeAll, client.ListGrantsParamsScopeMine)
	if err != nil {
		return client.Grant{}, err
	}
	return one(all, "grant", typed, byID)
}

// findRequest finds the ID of the request that is meant, by its ID or the last six characters of it, among those that the
// caller can review, has asked for in another's name, and those of the caller.
func findRequest(ctx context.Context, c *client.Client, typed string) (string, error) {
	if strings.HasPrefix(typed, access.RequestPrefix) {
		return typed, nil
	}
	toReview, _, err := listRequests(ctx, c, client.ListRequestsParamsScopeToReview)
	if err != nil {
		return "", err
	}
	others, _, err := visible(func(scope client.ListRequestsParamsScope) ([]client.Request, string, error) {
		return listRequests(ctx, c, scope)
	}, client.ListRequestsParamsScopeAll, client.ListRequestsParamsScopeMine)
	if err != nil {
		return "", err
	}
	forOthers, _, err := listRequests(ctx, c, client.ListRequestsParamsScopeForOthers)
	if err != nil {
		return "", err
	}
	others = append(others, forOthers...)
	slices.SortFunc(others, func(a, b client.Request) int { return strings.Compare(a.ID, b.ID) })
	others = slices.CompactFunc(others, func(a, b client.Request) bool { return a.ID == b.ID })
	// Who may see everything finds a request that waits for them in both lists.
	others = slices.DeleteFunc(others, func(r client.Request) bool {
		return slices.ContainsFunc(toReview, func(other client.Request) bool { return other.ID == r.ID })
	})
	r, err := one(append(toReview, others...), "request", typed, func(r client.Request) bool {
		return access.MatchesShort(access.RequestID(r.ID), typed)
	})
	return r.ID, err
}

// wholeIDs puts their IDs in the place of the grant and the request that are meant, where they are named: the log goes by no others. A
// whole ID is not looked up, since the log may know what the books have no more.
func wholeIDs(ctx context.Context, c *client.Client, grant, request *string) (err error) {
	if *grant != "" && !strings.HasPrefix(*grant, access.GrantPrefix) {
		g, err := findGrant(ctx, c, *grant)
		if err != nil {
			return err
		}
		*grant = g.ID
	}
	if *request != "" {
		*request, err = findRequest(ctx, c, *request)
	}
	return err
}

// one returns the only item that matches.
func one[T any](items []T, noun, typed string, matches func(T) bool) (found T, err error) {
	n := 0
	for _, item := range items {
		if matches(item) {
			found = item
			n++
		}
	}
	switch n {
	case 1:
		return found, nil
	case 0:
		return found, access.Errorf(access.KindNotFound, "there is no %s %q; give an ID as the lists show it", noun, typed)
	default:
		return found, usagef("%q is ambiguous: %d of them; give the whole ID, which -o json shows", typed, n)
	}
}
