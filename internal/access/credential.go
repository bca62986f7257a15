package access

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
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
		"MONGODB_URI", "REDIS_URL", "REDIS_USERNAME", "REDISCLI_AUTH", kubeconfigVariable:
		return true
	}
	return ownVariable.MatchString(name)
}

// secretWord is the shortest word of a file that is taken for a secret where the file has no password that is known.
const secretWord = 16

// Secrets are the texts of a credential that let in who has them, for one who keeps them out of what others read. Where a
// server is, and who logs in, is none.
func (c Credential) Secrets() []string {
	var found []string
	if c.Password != "" {
		found = append(found, c.Password)
	}
	if u, err := url.Parse(c.URI); err != nil || u.User != nil {
		found = append(found, c.URI)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		if value := c.Env[name]; value != "" && value != c.Username && !isPublicVariable(name) {
			found = append(found, value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Files)) {
		content := c.Files[name]
		found = append(found, content)
		if c.Password != "" && strings.Contains(content, c.Password) {
			continue
		}
		for word := range strings.FieldsFuncSeq(content, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`"',`, r) }) {
			if len(word) >= secretWord {
				found = append(found, word)
			}
		}
	}
	return found
}

// isPublicVariable reports whether a variable says where or as whom to log in, and not by what.
func isPublicVariable(name string) bool {
	switch name {
	case "PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGSSLMODE",
		"MYSQL_HOST", "MYSQL_TCP_PORT", "MYSQL_UNIX_PORT", "MYSQL_DATABASE", "MYSQL_USER", "REDIS_USERNAME":
		return true
	}
	return false
}

// CheckVariables refuses a credential with a variable that no credential may set, or with a value that no environment can hold.
func (c Credential) CheckVariables() error {
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		if strings.ContainsRune(c.Env[name], 0) {
			return Errorf(KindInvalid, "the credential has a NUL in the variable %q; it is not used, and an administrator should look at its connector", name)
		}
	}
	_, elsewhere := c.Env[kubeconfigVariable]
	if config, there := c.Files[kubeconfigVariable]; elsewhere || there && !plainKubeconfig(config) {
		return Errorf(KindInvalid, "the credential has a configuration of kubectl that does more than log in with a token, and could run programs; it is not used, and an administrator should look at its connector")
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
