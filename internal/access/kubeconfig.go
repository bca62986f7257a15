package access

import (
	"encoding/json"
	"io"
	"strings"
)

// kubeconfigVariable leads kubectl, and what is built like it, to its configuration.
const kubeconfigVariable = "KUBECONFIG"

// kubeconfig is all that the configuration of a grant says: where the cluster is, and the token to log in with. What else kubectl reads
// there runs programs (exec, auth-provider), reads files or sends everything elsewhere.
type kubeconfig struct {
	Version  string `json:"apiVersion"`
	Kind     string `json:"kind"`
	Current  string `json:"current-context"`
	Clusters []struct {
		Name    string `json:"name"`
		Cluster struct {
			Server      string `json:"server"`
			Authorities string `json:"certificate-authority-data"`
		} `json:"cluster"`
	} `json:"clusters"`
	Users []struct {
		Name string `json:"name"`
		User struct {
			Token string `json:"token"`
		} `json:"user"`
	} `json:"users"`
	Contexts []struct {
		Name    string `json:"name"`
		Context struct {
			Cluster   string `json:"cluster"`
			User      string `json:"user"`
			Namespace string `json:"namespace"`
		} `json:"context"`
	} `json:"contexts"`
}

// plainKubeconfig reports whether a text is a configuration, in JSON, that says nothing else. A key that is there twice is judged both
// times.
func plainKubeconfig(text string) bool {
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&kubeconfig{}); err != nil {
		return false
	}
	_, err := d.Token()
	return err == io.EOF
}
