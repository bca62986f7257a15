package config

import (
	"time"

	"github.com/curfewhq/curfew/internal/policy"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/secret/awskms"
)

// These structs are the file as it is written. What stands here as unbuilt is in the design and refused by name.

type fileSchema struct {
	Server    serverSchema    `json:"server"`
	Store     string          `json:"store"`
	Directory directorySchema `json:"directory"`
	Roles     rolesSchema     `json:"roles"`
	Audit     auditSchema     `json:"audit"`
	// Connectors are decoded one by one, because their keys depend on their type.
	Connectors *node                   `json:"connectors"`
	Bundles    map[string]bundleSchema `json:"bundles"`
	Policies   []policySchema          `json:"policies"`
}

type serverSchema struct {
	Listen string `json:"listen"`
	URL    string `json:"url"`
	// Key is the path of a key file, or a mapping.
	Key  *node  `json:"key"`
	Head string `json:"head"`
}

type keySchema struct {
	File       string        `json:"file"`
	Passphrase secret.Ref    `json:"passphrase"`
	AWSKMS     awskms.Config `json:"aws_kms"`
}

type directorySchema struct {
	Static []principalSchema `json:"static"`
	OIDC   unbuilt           `json:"oidc"`
	SCIM   unbuilt           `json:"scim"`
}

type principalSchema struct {
	ID         string            `json:"id"`
	Kind       string            `json:"kind"`
	Person     string            `json:"person"`
	Name       string            `json:"name"`
	Groups     []string          `json:"groups"`
	Attributes map[string]string `json:"attributes"`
	ActsFor    string            `json:"acts_for"`
	Token      secret.Ref        `json:"token"`
}

type rolesSchema struct {
	Admin   []string `json:"admin"`
	Auditor []string `json:"auditor"`
}

type auditSchema struct {
	Witnesses []witnessSchema `json:"witnesses"`
	Streams   []streamSchema  `json:"streams"`
}

type witnessSchema struct {
	Name       string         `json:"name"`
	Every      *time.Duration `json:"every"`
	File       string         `json:"file"`
	Webhook    string         `json:"webhook"`
	Token      secret.Ref     `json:"token"`
	Git        string         `json:"git"`
	SSHKey     secret.Ref     `json:"ssh_key"`
	KnownHosts string         `json:"known_hosts"`
}

type streamSchema struct {
	Name     string     `json:"name"`
	Webhook  string     `json:"webhook"`
	Secret   secret.Ref `json:"secret"`
	Syslog   string     `json:"syslog"`
	CA       string     `json:"ca"`
	Format   string     `json:"format"`
	Personal *bool      `json:"personal"`
}

// connectorSchema has the keys that every connector knows; its type has more.
type connectorSchema struct {
	Type        string            `json:"type"`
	Labels      map[string]string `json:"labels"`
	Timeout     *time.Duration    `json:"timeout"`
	Concurrency *int              `json:"concurrency"`
	Rate        *float64          `json:"rate"`
	Reconcile   *time.Duration    `json:"reconcile"`
	Account     string            `json:"account"`
}

type bundleSchema struct {
	Entitlements []string `json:"entitlements"`
	OnPartial    string   `json:"on_partial"`
}

type policySchema struct {
	Name        string             `json:"name"`
	Effect      policy.Effect      `json:"effect"`
	Who         []string           `json:"who"`
	What        []string           `json:"what"`
	When        string             `json:"when"`
	Until       string             `json:"until"`
	MaxDuration time.Duration      `json:"max_duration"`
	Require     requirementsSchema `json:"require"`
	// Approve is the word auto or a list of stages.
	Approve    *node   `json:"approve"`
	BreakGlass unbuilt `json:"break_glass"`
}

type requirementsSchema struct {
	Reason bool    `json:"reason"`
	Ticket bool    `json:"ticket"`
	MFA    unbuilt `json:"mfa"`
}

type stageSchema struct {
	From   []string       `json:"from"`
	Count  *int           `json:"count"`
	Within *time.Duration `json:"within"`
}
