package access

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Credential is a secret made for one grant. It exists in clear text only in the driver's hands and in the
// requester's; everywhere between it is sealed to the requester's key.
type Credential struct {
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	URI      string `json:"uri,omitempty"`
	// Env is what a child process finds in its environment. CheckVariables says which names it may have.
	Env map[string]string `json:"env,omitempty"`
	// Files are contents that a child process finds in files, each by the path in the variable of this name.
	Files map[string]string `json:"files,omitempty"`
}

// SealedCredential is a Credential that only the holder of the recipient's private key can open.
type SealedCredential struct {
	Grant GrantID
	// Attempt is part of what the ciphertext is bound to.
	Attempt int
	// Recipient is the public key that it is sealed to.
	Recipient []byte
	// Ciphertext is HPKE's encapsulated key followed by its ciphertext.
	Ciphertext []byte
	IssuedAt   time.Time
}

// ownVariable is the form of the variables that a connector may have to itself, for a client of its own.
var ownVariable = regexp.MustCompile(`^TARGET_[A-Z0-9_]{1,64}$`)

// isCredentialVariable reports whether a credential may set a variable of that name in somebody's shell or child process. Those
// allowed are known one by one, because nobody can list the others: by LD_PRELOAD, PATH, BASH_ENV, NODE_OPTIONS or GIT_SSH_COMMAND
// whoever writes a credential would have their own program run.
func isCredentialVariable(name string) bool {
	switch name {
	case "PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSSLMODE", // libpq
		"MYSQL_HOST", "MYSQL_TCP_PORT", "MYSQL_UNIX_PORT", "MYSQL_DATABASE", "MYSQL_USER", "MYSQL_PWD",
		"MONGODB_URI", "REDIS_URL", "REDIS_USERNAME", "REDISCLI_AUTH", "KUBECONFIG":
		return true
	}
	return ownVariable.MatchString(name)
}

// CheckVariables refuses a credential with a variable that no credential may set, or with a value that no environment can hold.
func (c Credential) CheckVariables() error {
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		if strings.ContainsRune(c.Env[name], 0) {
			return Errorf(KindInvalid, "the credential has a NUL in the variable %q; it is not used, and an administrator should look at its connector", name)
		}
	}
	for _, variables := range []map[string]string{c.Env, c.Files} {
		for _, name := range slices.Sorted(maps.Keys(variables)) {
			if !isCredentialVariable(name) {
				return Errorf(KindInvalid, "the credential would set the variable %q, which is none for credentials; it is not used: update curfew if it is older than the server, else an administrator should look at its connector", name)
			}
		}
	}
	return nil
}
