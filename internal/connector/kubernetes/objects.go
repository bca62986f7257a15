package kubernetes

// These are the parts that we read and write of the objects of the Kubernetes API.

const (
	rbacGroup   = "rbac.authorization.k8s.io"
	rbacVersion = rbacGroup + "/v1"
	kindRole    = "Role"
	// kindClusterRole is also what a RoleBinding may refer to: its rules then hold in the namespace of the binding alone.
	kindClusterRole        = "ClusterRole"
	kindRoleBinding        = "RoleBinding"
	kindClusterRoleBinding = "ClusterRoleBinding"
	kindServiceAccount     = "ServiceAccount"
	kindUser               = "User"
)

// metadata is an object's.
type metadata struct {
	Name        string            `json:"name,omitempty"`
	Namespace   string            `json:"namespace,omitempty"`
	UID         string            `json:"uid,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// object is anything of which the name and the marks are all that matters.
type object struct {
	APIVersion string   `json:"apiVersion,omitempty"`
	Kind       string   `json:"kind,omitempty"`
	Metadata   metadata `json:"metadata"`
}

// binding is a RoleBinding or a ClusterRoleBinding.
type binding struct {
	object
	RoleRef  roleRef   `json:"roleRef"`
	Subjects []subject `json:"subjects"`
}

// roleRef names the role of a binding. It never changes.
type roleRef struct {
	APIGroup string `json:"apiGroup"`
	Kind     string `json:"kind"`
	Name     string `json:"name"`
}

// subject is who a binding gives its role to.
type subject struct {
	APIGroup  string `json:"apiGroup,omitempty"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
}

// user is the name under which the subject makes requests.
func (s subject) user() string {
	if s.Kind == kindServiceAccount {
		return "system:serviceaccount:" + s.Namespace + ":" + s.Name
	}
	return s.Name
}

// serviceAccount is an account of its own for one credential.
type serviceAccount struct {
	object
	AutomountToken bool `json:"automountServiceAccountToken"`
}

// tokenRequest asks for a token of a ServiceAccount.
type tokenRequest struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       struct {
		ExpirationSeconds int64    `json:"expirationSeconds"`
		Audiences         []string `json:"audiences"`
	} `json:"spec"`
	Status struct {
		Token string `json:"token"`
	} `json:"status,omitzero"`
}

// role is a Role or a ClusterRole.
type role struct {
	Metadata metadata `json:"metadata"`
	Rules    []rule   `json:"rules"`
}

// rule allows verbs on resources, or on paths that are no resources.
type rule struct {
	Verbs           []string `json:"verbs"`
	APIGroups       []string `json:"apiGroups"`
	Resources       []string `json:"resources"`
	ResourceNames   []string `json:"resourceNames"`
	NonResourceURLs []string `json:"nonResourceURLs"`
}

// namespace is where roles hold.
type namespace struct {
	Metadata metadata `json:"metadata"`
	Status   struct {
		Phase string `json:"phase"`
	} `json:"status"`
}

// accessReview asks what the server would let a user do.
type accessReview struct {
	APIVersion string           `json:"apiVersion"`
	Kind       string           `json:"kind"`
	Spec       accessReviewSpec `json:"spec"`
	Status     struct {
		Allowed bool   `json:"allowed"`
		Reason  string `json:"reason"`
	} `json:"status,omitzero"`
}

type accessReviewSpec struct {
	User     string              `json:"user"`
	Resource *resourceAttributes `json:"resourceAttributes,omitempty"`
	Path     *pathAttributes     `json:"nonResourceAttributes,omitempty"`
}

type resourceAttributes struct {
	Namespace   string `json:"namespace,omitempty"`
	Verb        string `json:"verb"`
	Group       string `json:"group"`
	Resource    string `json:"resource"`
	Subresource string `json:"subresource,omitempty"`
	Name        string `json:"name,omitempty"`
}

type pathAttributes struct {
	Path string `json:"path"`
	Verb string `json:"verb"`
}
