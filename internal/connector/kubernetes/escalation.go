package kubernetes

import (
	"slices"
	"strings"
)

// escalation is a way in which somebody with one right gets others.
type escalation struct {
	verbs []string
	group string
	// resources may end in /*, for every subresource.
	resources []string
	// everywhere: it is one in every namespace; otherwise in those of the controllers and for the whole cluster alone.
	everywhere bool
	how        string
}

// escalationWays are the ways that Kubernetes' own documentation warns of.
func escalationWays() []escalation {
	write := []string{"create", "update", "patch"}
	return []escalation{
		{[]string{"bind", "escalate"}, rbacGroup, []string{"roles", "clusterroles"}, true, "it can give itself any role"},
		{write, rbacGroup, []string{"roles", "clusterroles", "rolebindings", "clusterrolebindings"}, true, "it can write roles or bindings, which outlive the grant"},
		{[]string{"impersonate"}, "", []string{"users", "groups", "serviceaccounts"}, true, "it can act as somebody else"},
		{[]string{"impersonate"}, "authentication.k8s.io", []string{"uids", "userextras", "userextras/*"}, true, "it can act as somebody else"},
		{[]string{"create"}, "", []string{"serviceaccounts/token"}, true, "it can make tokens of other accounts"},
		{write, "", []string{"pods", "pods/ephemeralcontainers", "replicationcontrollers", "podtemplates"}, true, "it can run pods as any account of the namespace"},
		{write, "apps", []string{"deployments", "daemonsets", "replicasets", "statefulsets"}, true, "it can run pods as any account of the namespace"},
		{write, "batch", []string{"jobs", "cronjobs"}, true, "it can run pods as any account of the namespace"},
		{[]string{"create", "get"}, "", []string{"pods/exec", "pods/attach"}, true, "it can run commands as the account of a pod"},
		{write, "", []string{"secrets"}, true, "it can have the cluster make tokens of other accounts that never expire"},
		{[]string{"get", "list", "watch"}, "", []string{"secrets"}, true, "it can read secrets, and tokens of other accounts may be among them"},
		{write, "", []string{"configmaps"}, false, "it can change what controllers go by; in some clusters, who administers them"},
		{write, "", []string{"persistentvolumes"}, true, "it can have the files of a node mounted (hostPath)"},
		{append([]string{"get"}, write...), "", []string{"nodes/proxy"}, true, "it can run commands in every pod of a node"},
		{write, "certificates.k8s.io", []string{"certificatesigningrequests", "certificatesigningrequests/approval"}, true, "it can have certificates made"},
		{[]string{"approve", "sign"}, "certificates.k8s.io", []string{"signers"}, true, "it can have certificates made"},
		{write, "admissionregistration.k8s.io", []string{"mutatingwebhookconfigurations", "validatingwebhookconfigurations", "mutatingadmissionpolicies"}, true, "it can read and change what others write"},
		{write, "apiregistration.k8s.io", []string{"apiservices"}, true, "it can answer in the place of the API server"},
		{[]string{"update", "patch"}, "", []string{"namespaces"}, true, "it can change what policies go by"},
	}
}

// escalations says how somebody to whom the rules apply in the namespace, or in all of them if it is empty, gets more.
func escalations(rules []rule, namespace string) []string {
	var found []string
	add := func(how string) {
		if !slices.Contains(found, how) {
			found = append(found, how)
		}
	}
	for _, r := range rules {
		if slices.Contains(r.Verbs, "*") {
			add("it has every verb (*), also those that are still to come")
		}
		for _, way := range escalationWays() {
			if (way.everywhere || namespace == "" || isControllers(namespace)) && way.in(r) {
				add(way.how)
			}
		}
	}
	return found
}

// in reports whether a rule opens the way.
func (e escalation) in(r rule) bool {
	has := func(list []string, any ...string) bool {
		return slices.Contains(list, "*") || slices.ContainsFunc(any, func(v string) bool { return slices.Contains(list, v) })
	}
	return has(r.Verbs, e.verbs...) && has(r.APIGroups, e.group) && slices.ContainsFunc(r.Resources, func(named string) bool {
		return named == "*" || slices.ContainsFunc(e.resources, func(resource string) bool { return covers(named, resource) })
	})
}

// covers reports whether the resource that a rule names, which may begin with */ for that subresource of every resource, covers
// one of a way, which may end with /*.
func covers(named, resource string) bool {
	kind, sub, _ := strings.Cut(resource, "/")
	namedKind, namedSub, _ := strings.Cut(named, "/")
	switch sub {
	case "":
		return named == resource
	case "*":
		return namedSub != "" && (namedKind == kind || namedKind == "*")
	default:
		return namedSub == sub && (namedKind == kind || namedKind == "*")
	}
}
