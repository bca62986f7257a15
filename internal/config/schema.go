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
	Static   []principalSchema `json:"static"`
	OIDC     *oidcSchema       `json:"oidc"`
	LDAP     *ldapSchema       `json:"ldap"`
	SCIM     *scimSchema       `json:"scim"`
	Sessions sessionsSchema    `json:"sessions"`
	// Workloads are rules of trust, in the order in which they are tried.
	Workloads []workloadSchema `json:"workloads"`
}

type principalSchema struct {
	ID         string            `json:"id"`
	Kind       string            `json:"kind"`
	Person     string            `json:"person"`
	Name       string            `json:"name"`
	Groups     []string          `json:"groups"`
	Attributes map[string]string `json:"attributes"`
	ActsFor    string            `json:"acts_for"`
	Manager    string            `json:"manager"`
	Token      secret.Ref        `json:"token"`
}

type oidcSchema struct {
	Name         string            `json:"name"`
	Issuer       string            `json:"issuer"`
	ClientID     string            `json:"client_id"`
	ClientSecret secret.Ref        `json:"client_secret"`
	Scopes       []string          `json:"scopes"`
	GroupsClaim  string            `json:"groups_claim"`
	GroupsAbsent string            `json:"groups_absent"`
	Attributes   map[string]string `json:"attributes"`
	Accounts     *accountsSchema   `json:"accounts"`
}

type accountsSchema struct {
	Of        string `json:"of"`
	Claim     string `json:"claim"`
	Attribute string `json:"attribute"`
}

type ldapSchema struct {
	Name       string            `json:"name"`
	URL        string            `json:"url"`
	StartTLS   bool              `json:"start_tls"`
	CAFile     string            `json:"ca_file"`
	BindDN     string            `json:"bind_dn"`
	Password   secret.Ref        `json:"password"`
	Base       string            `json:"base"`
	Filter     string            `json:"filter"`
	Every      *time.Duration    `json:"every"`
	MaxLoss    *int              `json:"max_loss"`
	Attributes map[string]string `json:"attributes"`
	Groups     ldapGroupsSchema  `json:"groups"`
}

type ldapGroupsSchema struct {
	Base   string `json:"base"`
	Filter string `json:"filter"`
	Name   string `json:"name"`
}

type scimSchema struct {
	Name       string            `json:"name"`
	Token      secret.Ref        `json:"token"`
	Attributes map[string]string `json:"attributes"`
}

type workloadSchema struct {
	Name     string `json:"name"`
	Issuer   string `json:"issuer"`
	Audience string `json:"audience"`
	// Claims are each a text, or a list of them.
	Claims map[string]*node   `json:"claims"`
	MaxAge *time.Duration     `json:"max_age"`
	Keys   workloadKeysSchema `json:"keys"`

	Principal string         `json:"principal"`
	Scopes    []string       `json:"scopes"`
	Lifetime  *time.Duration `json:"lifetime"`
}

type workloadKeysSchema struct {
	URL   string     `json:"url"`
	File  string     `json:"file"`
	CA    string     `json:"ca"`
	Token secret.Ref `json:"token"`
}

type sessionsSchema struct {
	Idle     *time.Duration `json:"idle"`
	Lifetime *time.Duration `json:"lifetime"`
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
	// Owners are selectors of those who own what is behind the connector, ResourceOwners of single resources in their place.
	Owners         []string            `json:"owners"`
	ResourceOwners map[string][]string `json:"resource_owners"`
}

type bundleSchema struct {
	Entitlements []string `json:"entitlements"`
	OnPartial    string   `json:"on_partial"`
}

type policySchema struct {
	Name        string             `json:"name"`
	Effect      policy.Effect      `json:"effect"`
	Who         []string           `json:"who"`
	OnBehalfOf  *[]string          `json:"on_behalf_of"`
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
	Reason bool `json:"reason"`
	Ticket bool `json:"ticket"`
	MFA    bool `json:"mfa"`
}

type stageSchema struct {
	From   []string       `json:"from"`
	Count  *int           `json:"count"`
	Within *time.Duration `json:"within"`
	MFA    bool           `json:"mfa"`
	// Delegates says whether those who are absent may have others review in their stead; true if not said.
	Delegates *bool `json:"delegates"`
	// Fallback says who may review besides, once Within has passed.
	Fallback *fallbackSchema `json:"fallback"`
}

type fallbackSchema struct {
	From   []string       `json:"from"`
	Within *time.Duration `json:"within"`
}
