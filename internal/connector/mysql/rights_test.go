package mysql

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRight(t *testing.T) {
	for line, want := range map[string]right{
		"GRANT USAGE ON *.* TO `r`":                        {Privileges: []string{"USAGE"}, Database: "*", Whole: true, Holder: "r"},
		"GRANT SELECT, LOCK TABLES ON `my\\_db`.* TO `r`":  {Privileges: []string{"SELECT", "LOCK TABLES"}, Database: `my\_db`, Whole: true, Holder: "r"},
		"GRANT SELECT (`a, b`, `c`), DROP ON `d`.`t` TO r": {},
		"GRANT SELECT (`a, b`, `c`), DROP ON `d`.`t` TO `r`@`%` WITH GRANT OPTION": {
			Privileges: []string{"SELECT", "DROP"}, Database: "d", Grantable: true, Holder: "r",
		},
		"GRANT EXECUTE ON PROCEDURE `d`.`p` TO `r`@`%`": {Privileges: []string{"EXECUTE"}, Database: "d", Holder: "r"},
		"GRANT `inner` TO `r` WITH ADMIN OPTION":        {Roles: []string{"inner"}, Grantable: true, Holder: "r"},
		"GRANT `a`@`%`,`b``, TO `@`%` TO `r`@`%`":       {Roles: []string{"a", "b`, TO "}, Holder: "r"},
		"GRANT PROXY ON ''@'%' TO 'root'@'localhost' WITH GRANT OPTION": {
			Privileges: []string{"PROXY"}, Grantable: true, Holder: "root",
		},
		"GRANT ALL PRIVILEGES ON `x ON y TO z`.* TO `r` WITH GRANT OPTION": {
			Privileges: []string{"ALL PRIVILEGES"}, Database: "x ON y TO z", Whole: true, Grantable: true, Holder: "r",
		},
		"GRANT USAGE ON *.* TO `c`@`%` IDENTIFIED BY PASSWORD '*00' WITH MAX_USER_CONNECTIONS 5": {
			Privileges: []string{"USAGE"}, Database: "*", Whole: true, Holder: "c",
		},
		"SET DEFAULT ROLE `r` FOR `c`@`%`":                     {},
		"REVOKE SELECT ON `mysql`.* FROM `r`@`%`":              {},
		"GRANT SELECT ON `d`.* TO":                             {},
		"GRANT SELECT ON `d.* TO `r`":                          {},
		"GRANT":                                                {},
		"ALTER USER `x`":                                       {},
		"GRANT SELECT ON d.* TO `r`@`%`":                       {},
		"GRANT RELOAD, PROCESS ON *.* TO `r`@`%`":              {Privileges: []string{"RELOAD", "PROCESS"}, Database: "*", Whole: true, Holder: "r"},
		"GRANT ROLE_ADMIN ON *.* TO `r`@`%` WITH GRANT OPTION": {Privileges: []string{"ROLE_ADMIN"}, Database: "*", Whole: true, Grantable: true, Holder: "r"},
	} {
		got, gives, err := parseRight(line)
		switch {
		case want.Holder == "" && gives && err == nil:
			t.Errorf("%s: read as %+v", line, got)
		case want.Holder != "" && (err != nil || !gives || !cmp.Equal(got, want)):
			t.Errorf("%s: %v, %s", line, err, cmp.Diff(got, want))
		}
	}
}

// FuzzParseRight puts a name where the server would, and reads it back: none of them hides what else stands there.
func FuzzParseRight(f *testing.F) {
	for _, name := range []string{"orders", "`", "``", "' ON ", "x` TO `y", ", ", "(", ")", " WITH GRANT OPTION", "\\", "*", "\n", "é"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" {
			return
		}
		quoted := "`" + strings.ReplaceAll(name, "`", "``") + "`"
		r, gives, err := parseRight("GRANT SELECT (" + quoted + "), DROP ON " + quoted + "." + quoted + " TO " + quoted + "@`%` WITH GRANT OPTION")
		want := right{Privileges: []string{"SELECT", "DROP"}, Database: name, Holder: name, Grantable: true}
		if err != nil || !gives || !cmp.Equal(r, want) {
			t.Errorf("%q: %v, %s", name, err, cmp.Diff(r, want))
		}
		if _, _, err := parseRight(name); err == nil && !strings.Contains(name, "GRANT") && !strings.Contains(name, "SET") && !strings.Contains(name, "REVOKE") {
			t.Errorf("%q is read as a right", name)
		}
	})
}

// TestLike compares with a server.
func TestLike(t *testing.T) {
	p := start(t)
	texts := []string{"", "a", "ab", "abc", "a_c", "a%c", `a\c`, "_", "%", `\`, "abab", "äb"}
	patterns := append([]string{"a%", "%c", "a_c", `a\_c`, `a\%c`, "%b%", "_b", "%", "%%", "a%b%", `%\_%`, "ab%ab", "%ab", `\\`}, texts...)
	for _, pattern := range patterns {
		for _, text := range texts {
			want := p.rows(t, `SELECT ? COLLATE utf8mb4_bin LIKE ?`, text, pattern)[0][0] == "1"
			if got := like(pattern, text); got != want {
				t.Errorf("%q like %q: %t, want %t", text, pattern, got, want)
			}
		}
	}
}

func TestDanger(t *testing.T) {
	keep, refuse := Config{DefinerObjects: KeepDefiners}, Config{DefinerObjects: RefuseDefiners}
	process := Permission{Allow: []string{"PROCESS", "SELECT", "EXECUTE"}}
	for _, c := range []struct {
		line   string
		config Config
		p      Permission
		fine   bool
	}{
		{"GRANT USAGE ON *.* TO `r`", refuse, Permission{}, true},
		{"GRANT SELECT, INSERT ON `orders`.* TO `r`", refuse, Permission{}, true},
		{"GRANT SELECT ON `orders`.* TO `r` WITH GRANT OPTION", refuse, Permission{}, false},
		{"GRANT `x` TO `r` WITH ADMIN OPTION", refuse, Permission{}, false},
		{"GRANT `x` TO `r`", refuse, Permission{}, true},
		{"GRANT TRIGGER ON `orders`.* TO `r`", refuse, Permission{}, false},
		{"GRANT TRIGGER ON `orders`.* TO `r`", keep, Permission{}, true},
		{"GRANT PROCESS ON *.* TO `r`", keep, Permission{}, false},
		{"GRANT PROCESS ON *.* TO `r`", refuse, process, true},
		{"GRANT SELECT ON *.* TO `r`", refuse, process, false},
		{"GRANT EXECUTE ON `curfew`.* TO `r`", refuse, process, false},
		{"GRANT EXECUTE ON PROCEDURE `curfew`.`grant_account` TO `r`", refuse, process, false},
		{"GRANT SELECT ON `mysql`.`global_priv` TO `r`", refuse, Permission{}, false},
		{"GRANT SELECT ON `m%`.* TO `r`", refuse, Permission{}, false},
		{"GRANT SELECT ON `MYSQL`.* TO `r`", refuse, Permission{}, false},
		{"GRANT SUPER ON *.* TO `r`", keep, process, false},
		{"GRANT CREATE USER ON *.* TO `r`", keep, process, false},
		{"GRANT ALL PRIVILEGES ON `orders`.* TO `r`", keep, process, false},
		{"GRANT SOMETHING NEW ON `orders`.* TO `r`", keep, process, false},
	} {
		r, gives, err := parseRight(c.line)
		if err != nil || !gives {
			t.Fatalf("%s: %v", c.line, err)
		}
		if what := c.config.danger(r, c.p); (what == "") != c.fine {
			t.Errorf("%s: %q", c.line, what)
		}
	}
}
