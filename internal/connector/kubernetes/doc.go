// Package kubernetes has two connector types for Kubernetes. With "kubernetes" each grant has a ServiceAccount and a token of
// its own, bound to the role that the permission names; with "kubernetes-user" the user that somebody is to the cluster
// already is bound to it. Either way each grant has a RoleBinding or ClusterRoleBinding of its own.
//
// It owns the objects that make, end, observe and list such access, which rules of a role let their holder take more than
// the role, and what its own account must be allowed to do. It does not own the roles, nor when to act (package engine), nor
// how often to try again (package connector).
//
// Rights are given by one request that changes a binding which must still be there, so an order that arrives after the binding
// was deleted gives none. docs/connectors/kubernetes.md is the page for operators; its manifests are the ones that the tests apply.
package kubernetes
