package evidence_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/evidence"
)

// page shows the list to people.
const page = "../../docs/compliance.md"

// TestControlsAreComplete: every control has a name that nobody else has and that people can type, and says everything.
func TestControlsAreComplete(t *testing.T) {
	typed := regexp.MustCompile(`^[a-z0-9]+-[a-z0-9.]+$`)
	seen := map[evidence.ID]bool{}
	for _, c := range evidence.Controls() {
		if !typed.MatchString(string(c.ID)) || seen[c.ID] {
			t.Errorf("%s is no name of its own, as in soc2-cc6.1", c.ID)
		}
		seen[c.ID] = true
		if found, ok := evidence.Find(c.ID); !ok || found.Does != c.Does {
			t.Errorf("%s is not found", c.ID)
		}
		for _, text := range []string{c.Framework, c.Reference, c.Asks, c.Does, c.Leaves} {
			if text == "" || strings.Contains(text, "|") || strings.Contains(text, "\n") {
				t.Errorf("%s has a text that no table can hold: %q", c.ID, text)
			}
		}
	}
	if _, ok := evidence.Find("soc2-cc6"); ok {
		t.Error("half a name is found")
	}
}

// TestCommandsAreThere: each command that shows a control is one of the programs'.
func TestCommandsAreThere(t *testing.T) {
	there := map[string][]string{"curfew": commandsOf(t, "curfew"), "curfewd": commandsOf(t, "curfewd")}
	for _, c := range evidence.Controls() {
		if len(c.Commands) == 0 {
			t.Errorf("%s has no command", c.ID)
		}
		for _, command := range c.Commands {
			if words := strings.Fields(command); len(words) < 2 || !slices.Contains(there[words[0]], words[1]) {
				t.Errorf("%s names the command %q, which is not there: %v", c.ID, command, there)
			}
		}
	}
}

// commandsOf reads the commands out of a program's source.
func commandsOf(t *testing.T, program string) (all []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "cmd", program, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	use := regexp.MustCompile(`(?m)^\s+Use:\s+"([a-z]+)`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range use.FindAllSubmatch(text, -1) {
			all = append(all, string(m[1]))
		}
	}
	if len(all) < 5 {
		t.Fatalf("%s has the commands %v: its source is not read", program, all)
	}
	return all
}

// row is a control as the page shows it.
func row(c evidence.Control) string {
	commands := []string{fmt.Sprintf("`curfew evidence --control %s`", c.ID)}
	for _, command := range c.Commands {
		commands = append(commands, "`"+command+"`")
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s | %s | %s |", c.ID, c.Reference, c.Asks, c.Does, c.Leaves, strings.Join(commands, ", "))
}

// TestThePageIsTheList holds the document against the list, row by row and in its order, each under its framework.
func TestThePageIsTheList(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	framework := ""
	for _, c := range evidence.Controls() {
		if c.Framework != framework {
			framework = c.Framework
			want = append(want, "## "+framework)
		}
		want = append(want, row(c))
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "## ") || strings.HasPrefix(line, "| `") {
			got = append(got, line)
		}
	}
	for i := range max(len(got), len(want)) {
		shown, listed := "nothing", "nothing"
		if i < len(got) {
			shown = got[i]
		}
		if i < len(want) {
			listed = want[i]
		}
		if shown != listed {
			t.Fatalf("%s shows\n%s\nwhere the list has\n%s", page, shown, listed)
		}
	}
}
