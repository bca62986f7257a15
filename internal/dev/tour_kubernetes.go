package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// apiVisitor is the visitor of Kubernetes. It speaks with the API server itself, because not every machine has kubectl.
type apiVisitor struct {
	*tour
	*kubernetes
}

const order17 = "/api/v1/namespaces/orders/configmaps/order-17"

func (*apiVisitor) entitlement() string { return readCluster }

func (*apiVisitor) where() string { return "a Kubernetes" }

// ask reads the order, and shows what came of it.
func (v *apiVisitor) ask(ctx context.Context, token string) (status int, err error) {
	status, body, err := v.do(ctx, token, http.MethodGet, order17, nil)
	if err != nil {
		return 0, err
	}
	var said struct {
		Message string
		Data    map[string]string
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return 0, err
	}
	if said.Data != nil {
		said.Message = fmt.Sprintf("order-17   customer: %s   item: %s", said.Data["customer"], said.Data["item"])
	}
	v.show(fmt.Sprintf("%d  %s", status, said.Message))
	return status, nil
}

// wantDenied asks, which must be denied.
func (v *apiVisitor) wantDenied(ctx context.Context, token string) error {
	v.show("$ kubectl --namespace orders get configmap order-17")
	status, err := v.ask(ctx, token)
	if err == nil && status != http.StatusUnauthorized && status != http.StatusForbidden {
		err = fmt.Errorf("the API server answered with status %d", status)
	}
	return err
}

func (v *apiVisitor) refused(ctx context.Context) error { return v.wantDenied(ctx, "no-token") }

func (v *apiVisitor) used(ctx context.Context) error {
	v.show("$ curfew exec " + readCluster + " -- kubectl get configmap order-17")
	status, err := v.ask(ctx, v.credential.Password)
	if err == nil && status != http.StatusOK {
		err = errors.New("the order was not there")
	}
	return err
}

// cutOff asks until the server refuses.
func (v *apiVisitor) cutOff(ctx context.Context) error {
	v.show("$ watch -n 3 kubectl get configmap order-17")
	return v.untilRefused(ctx, func() (bool, error) {
		status, err := v.ask(ctx, v.credential.Password)
		return status == http.StatusOK, err
	})
}

func (v *apiVisitor) refusedAgain(ctx context.Context) error {
	return v.wantDenied(ctx, v.credential.Password)
}

// unseen looks for bindings and accounts past Curfew.
func (v *apiVisitor) unseen(ctx context.Context) error {
	v.show("$ kubectl get rolebindings,serviceaccounts --all-namespaces --selector app.kubernetes.io/managed-by=curfew    # as the cluster's administrator")
	for _, path := range []string{"/apis/rbac.authorization.k8s.io/v1/rolebindings", "/api/v1/serviceaccounts"} {
		_, body, err := v.do(ctx, v.AdminToken(), http.MethodGet, path+"?labelSelector=app.kubernetes.io/managed-by=curfew", nil)
		if err != nil {
			return err
		}
		var list struct{ Items []json.RawMessage }
		if err := json.Unmarshal(body, &list); err != nil {
			return err
		}
		if len(list.Items) > 0 {
			return fmt.Errorf("the administrator still sees %d at %s", len(list.Items), path)
		}
	}
	v.show("No resources found")
	return nil
}
