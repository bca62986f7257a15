package localpeer

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// programs is a folder with the programs of one version of PostgreSQL.
type programs struct {
	// major is 15, 18, …
	major int
	dir   string
}

// findPrograms finds PostgreSQL of the major version, or of the newest installed one when major is 0, and installs it
// where it is missing and that can be done.
func findPrograms(ctx context.Context, major int, progress io.Writer) (programs, error) {
	if p, ok := newest(installed(ctx), major); ok {
		return p, nil
	}
	if p, err := installPostgres(ctx, major, progress); err != nil || p.dir != "" {
		return p, err
	}
	if major == npmMajor {
		return installNPM(ctx, progress)
	}
	return programs{}, fmt.Errorf("PostgreSQL%s is not installed: install its server (Debian: apt-get install %s), so that initdb and postgres are on the PATH",
		ofVersion(major), debianPackage(major))
}

// installPostgres installs Debian's server, any or the one of the major version where Debian has that. It returns no
// programs and no error where nothing can be installed.
func installPostgres(ctx context.Context, major int, progress io.Writer) (p programs, err error) {
	if major != 0 && !debianHas(ctx, debianPackage(major)) {
		return programs{}, nil
	}
	_, err = installDebian(ctx, progress, func() (there bool) {
		p, there = newest(installed(ctx), major)
		return there
	}, debianPackage(major))
	return p, err
}

func debianHas(ctx context.Context, name string) bool {
	return exec.CommandContext(ctx, "apt-cache", "show", name).Run() == nil
}

// debianPackage is the package that holds the server; Debian's own version where any will do.
func debianPackage(major int) string {
	if major == 0 {
		return "postgresql"
	}
	return "postgresql-" + strconv.Itoa(major)
}

func ofVersion(major int) string {
	if major == 0 {
		return ""
	}
	return " " + strconv.Itoa(major)
}

// newest picks the newest, or the newest of the major version.
func newest(all []programs, major int) (programs, bool) {
	all = slices.DeleteFunc(all, func(p programs) bool { return major != 0 && p.major != major })
	if len(all) == 0 {
		return programs{}, false
	}
	return slices.MaxFunc(all, func(a, b programs) int { return a.major - b.major }), true
}

// installed looks in the places where packages put servers, which are not on the PATH, then on the PATH, then at what
// an earlier run fetched.
func installed(ctx context.Context) []programs {
	var dirs []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin"} {
		found, _ := filepath.Glob(pattern) // the patterns are constant
		dirs = append(dirs, found...)
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	if dir, err := npmPrograms(); err == nil {
		dirs = append(dirs, dir)
	}
	var all []programs
	for _, dir := range dirs {
		if p, err := inspect(ctx, dir); err == nil {
			all = append(all, p)
		}
	}
	return all
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// inspect asks the server in the folder for its version. Without initdb beside it, it is of no use here.
func inspect(ctx context.Context, dir string) (programs, error) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return programs{}, err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return programs{}, fmt.Errorf("ask %s for its version: %w", dir, err)
	}
	m := versionLine.FindSubmatch(out)
	if m == nil {
		return programs{}, fmt.Errorf("%s states its version as %q", dir, out)
	}
	major, err := strconv.Atoi(string(m[1]))
	if err != nil {
		return programs{}, err
	}
	return programs{major: major, dir: dir}, nil
}

func (p programs) path(name string) string { return filepath.Join(p.dir, name) }
