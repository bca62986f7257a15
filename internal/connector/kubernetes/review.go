package kubernetes

import (
	"context"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

const (
	// noticeTries bounds how often the server is asked whether it has taken notice of a change to a binding, and noticePause
	// is how long the first pause in between is. They double, up to noticePauses of them: about three seconds together.
	noticeTries    = 12
	noticePause    = 5 * time.Millisecond
	maxNoticePause = 500 * time.Millisecond
)

// awaitNotice waits until the server lets the subject do what the role allows, or does so no more because of the binding: it
// decides by a copy of the bindings that follows them with some delay.
func (d *driver) awaitNotice(ctx context.Context, v plan, s subject, allowed bool) error {
	if v.Action == (accessReviewSpec{}) {
		return nil // we listed it, and do not know what its role allows
	}
	pause := noticePause
	for range noticeTries {
		now, err := d.allows(ctx, v, s, !allowed)
		if err != nil || now == allowed {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		pause = min(2*pause, maxNoticePause)
	}
	if allowed {
		return access.Errorf(access.KindUnavailable, "The API server of the connector %s does not let the account do what its role allows, at least not yet.", d.name)
	}
	return access.Errorf(access.KindUnavailable, "The API server of the connector %s still lets the account do what its role allows, though the binding is gone.", d.name)
}

// allows asks the server whether the subject may do what the role allows; if because is set, only because of the binding
// itself, which the server names.
func (d *driver) allows(ctx context.Context, v plan, s subject, because bool) (bool, error) {
	review := accessReview{APIVersion: "authorization.k8s.io/v1", Kind: "SubjectAccessReview", Spec: v.Action}
	review.Spec.User = s.user()
	if err := d.api.create(ctx, "/apis/authorization.k8s.io/v1/subjectaccessreviews", review, &review); err != nil {
		return false, err
	}
	return review.Status.Allowed && (!because || strings.Contains(review.Status.Reason, v.Binding)), nil
}

// actionOf is something that the rules allow in the namespace, or anywhere if it is empty; nothing when there is nothing.
func actionOf(rules []rule, namespace string) (accessReviewSpec, bool) {
	for _, r := range rules {
		if len(r.Verbs) == 0 {
			continue
		}
		if len(r.APIGroups) > 0 && len(r.Resources) > 0 {
			resource, subresource, _ := strings.Cut(r.Resources[0], "/")
			a := &resourceAttributes{Namespace: namespace, Verb: r.Verbs[0], Group: r.APIGroups[0], Resource: resource, Subresource: subresource}
			if len(r.ResourceNames) > 0 {
				a.Name = r.ResourceNames[0]
			}
			return accessReviewSpec{Resource: a}, true
		}
		if len(r.NonResourceURLs) > 0 && namespace == "" {
			return accessReviewSpec{Path: &pathAttributes{Path: r.NonResourceURLs[0], Verb: r.Verbs[0]}}, true
		}
	}
	return accessReviewSpec{}, false
}
