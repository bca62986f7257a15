package redis

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/curfewhq/curfew/internal/connector"
)

const (
	// maxRules bounds each list of a permission.
	maxRules = 200
	// maxPattern bounds a pattern, in bytes.
	maxPattern = 512
)

// Permission is what one permission stands for, as rules that Redis knows (redis.io: ACL).
type Permission struct {
	Commands    []string `json:"commands" jsonschema:"required,minItems=1,maxItems=200,description=Rules for commands: +@read\\, -@slow\\, +get\\, +client|setname. A category never brings what is in @dangerous; a command that is named does"`
	Keys        []string `json:"keys,omitempty" jsonschema:"maxItems=200,description=Patterns of keys: ~orders:* to read and write\\, %R~orders:* to read\\, %W~orders:* to write"`
	Channels    []string `json:"channels,omitempty" jsonschema:"maxItems=200,description=Patterns of channels: &orders.*"`
	AllKeys     bool     `json:"all_keys,omitempty" jsonschema:"description=Let a pattern that may be written to match every key"`
	AllChannels bool     `json:"all_channels,omitempty" jsonschema:"description=Let a pattern match every channel"`
}

var (
	// commandRule is a category, a command, or a subcommand.
	commandRule    = regexp.MustCompile(`^[+-](@[a-z]{1,64}|[a-z0-9_.-]{1,64}(\|[a-z0-9_.-]{1,64})?)$`)
	keyPattern     = regexp.MustCompile(`^(~|%R~|%W~|%RW~)([!-~]+)$`)
	channelPattern = regexp.MustCompile(`^&([!-~]+)$`)
)

// validate checks the rules. Which commands there are is the server's to say.
func (p Permission) validate() *connector.FieldError {
	for _, list := range []struct {
		field string
		rules []string
		check func(string) string
	}{{"commands", p.Commands, checkCommand}, {"keys", p.Keys, p.checkKey}, {"channels", p.Channels, p.checkChannel}} {
		if len(list.rules) > maxRules {
			return connector.NewFieldError(fmt.Sprintf("name at most %d", maxRules), list.field)
		}
		for i, rule := range list.rules {
			if wrong := list.check(rule); wrong != "" {
				return connector.NewFieldError(wrong, list.field, strconv.Itoa(i))
			}
		}
	}
	gives := func(rule string) bool { return strings.HasPrefix(rule, "+") }
	if !slices.ContainsFunc(p.Commands, gives) {
		return connector.NewFieldError(`name at least one command or category, as in "+@read"`, "commands")
	}
	return nil
}

// checkCommand says what is wrong with a rule for commands, or nothing.
func checkCommand(rule string) string {
	if !commandRule.MatchString(rule) {
		return "want + or - and the name of a command or, after @, of a category, in lower case, as in +get, +@read or +client|setname"
	}
	switch name := rule[1:]; {
	case rule[0] == '-':
	case name == "@all" || name == "@admin" || name == "@dangerous":
		return name + " would outlive the grant: who has it makes users and reaches the machine; name the commands that are needed"
	case reserved(name):
		return name + " administers the server or leaves something behind that others run; nobody gets it by a grant"
	}
	return ""
}

// reserved reports whether no grant may give the command: it is in @admin, some subcommand of it is, or it makes lasting
// what the grant should not outlive. A subcommand that is not in @admin can be named alone.
func reserved(command string) bool {
	container, sub, _ := strings.Cut(command, "|")
	switch container {
	case "acl", "bgrewriteaof", "bgsave", "config", "debug", "failover", "function", "lastsave", "latency", "migrate", "module",
		"monitor", "pfdebug", "pfselftest", "psync", "replconf", "replicaof", "restore-asking", "role", "save", "shutdown",
		"slaveof", "slowlog", "sync":
		return true
	case "client":
		return slices.Contains([]string{"", "kill", "list", "no-evict", "pause", "unblock", "unpause"}, sub)
	case "cluster":
		return !slices.Contains([]string{"countkeysinslot", "getkeysinslot", "info", "keyslot", "myid", "nodes", "shards", "slots"}, sub)
	}
	return false
}

// everything matches patterns that are made of wildcards alone.
func everything(pattern string) bool { return strings.Trim(pattern, "*?") == "" }

func (p Permission) checkKey(rule string) string {
	m := keyPattern.FindStringSubmatch(rule)
	switch {
	case m == nil || len(rule) > maxPattern:
		return fmt.Sprintf("want ~PATTERN, %%R~PATTERN or %%W~PATTERN without spaces, of at most %d bytes, as in %%R~orders:*", maxPattern)
	case everything(m[2]) && m[1] != "%R~" && !p.AllKeys:
		return "every key could be written to; write all_keys: true if that is meant"
	}
	return ""
}

func (p Permission) checkChannel(rule string) string {
	m := channelPattern.FindStringSubmatch(rule)
	switch {
	case m == nil || len(rule) > maxPattern:
		return fmt.Sprintf("want &PATTERN without spaces, of at most %d bytes, as in &orders.*", maxPattern)
	case everything(m[1]) && !p.AllChannels:
		return "every channel could be listened to; write all_channels: true if that is meant"
	}
	return ""
}

// rules are the permission as ACL SETUSER takes it. Of two rules the later wins: what is dangerous goes out of the
// categories, and comes back where a command is named; what administers goes last, for servers and modules newer than this list.
func (p Permission) rules() []string {
	var categories, commands []string
	for _, rule := range p.Commands {
		if rule[1] == '@' {
			categories = append(categories, rule)
		} else {
			commands = append(commands, rule)
		}
	}
	return slices.Concat(p.Keys, p.Channels, categories, []string{"-@dangerous"}, commands, []string{"-@admin", "-function"})
}
