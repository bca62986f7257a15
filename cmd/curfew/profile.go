package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"regexp"
	"slices"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
)

// profile is a server that somebody has signed in at.
type profile struct {
	Name string `json:"name"`
	URL  string `json:"url"`
	// Keystore says that the token is in the system's key store, and not in a file.
	Keystore bool `json:"keystore,omitempty"`
}

// profiles are all of them, and which one is meant where nothing else is said.
type profiles struct {
	Current  string    `json:"current"`
	Profiles []profile `json:"profiles"`
}

const (
	profilesFile = "profiles.json"
	maxProfiles  = 100
	// maxProfilesFile bounds the file, in bytes.
	maxProfilesFile = 64 << 10
)

// profileName is the alphabet of profiles: the names of hosts, with a dash before a port.
var profileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,127}$`)

// readProfiles reads the profiles; there are none where nobody has signed in.
func (p *program) readProfiles() (list profiles, err error) {
	folder, err := p.openFolder("")
	if err != nil {
		return list, err
	}
	defer folder.close()
	b, err := folder.read(profilesFile, maxProfilesFile)
	if errors.Is(err, fs.ErrNotExist) {
		return list, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		return list, fmt.Errorf("reading your profiles in %s: %w; remove the file and run `curfew login` again", folder.path(profilesFile), err)
	}
	return list, nil
}

func (p *program) writeProfiles(list profiles) error {
	folder, err := p.openFolder("")
	if err != nil {
		return err
	}
	defer folder.close()
	b, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	return folder.write(profilesFile, b)
}

// find finds a profile by its name.
func (l profiles) find(name string) (profile, bool) {
	i := slices.IndexFunc(l.Profiles, func(one profile) bool { return one.Name == name })
	if i < 0 {
		return profile{}, false
	}
	return l.Profiles[i], true
}

// of finds the profile of a server, the current one first.
func (l profiles) of(server string) (profile, bool) {
	if one, ok := l.find(l.Current); ok && one.URL == server {
		return one, true
	}
	i := slices.IndexFunc(l.Profiles, func(one profile) bool { return one.URL == server })
	if i < 0 {
		return profile{}, false
	}
	return l.Profiles[i], true
}

// with has the profile in it, in place of the one of that name, and makes it the current one.
func (l profiles) with(one profile) profiles {
	rest := slices.DeleteFunc(slices.Clone(l.Profiles), func(other profile) bool { return other.Name == one.Name })
	rest = append(rest, one)
	slices.SortFunc(rest, func(a, b profile) int { return cmp.Compare(a.Name, b.Name) })
	return profiles{Current: one.Name, Profiles: rest}
}

// chosen is the profile that flags, environment or the last `curfew login` mean.
func (p *program) chosen(list profiles) (one profile, found bool, err error) {
	name := cmp.Or(p.profile, p.getenv("CURFEW_PROFILE"))
	if name != "" {
		if one, found = list.find(name); !found {
			return one, false, unknownProfile(list, name)
		}
		return one, true, nil
	}
	if server := cmp.Or(p.url, p.getenv("CURFEW_URL")); server != "" {
		if server, err = serverURL(server); err != nil {
			return one, false, err
		}
		one, found = list.of(server)
		return one, found, nil
	}
	one, found = list.find(list.Current)
	return one, found, nil
}

func unknownProfile(list profiles, name string) error {
	if len(list.Profiles) == 0 {
		return access.Errorf(access.KindNotFound, "there is no profile %q, nor any other: sign in with `curfew login https://…`", name)
	}
	return access.Errorf(access.KindNotFound, "there is no profile %q; `curfew profiles` lists yours", name)
}

// nameOf is what a profile of the server is called where nobody says.
func nameOf(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return ""
	}
	if u.Port() != "" {
		return u.Hostname() + "-" + u.Port()
	}
	return u.Hostname()
}

func (p *program) profilesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "profiles",
		Short: "Show the servers that I have signed in at",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			list, err := p.readProfiles()
			switch {
			case err != nil:
				return err
			case p.wantsJSON():
				list.Profiles = append([]profile{}, list.Profiles...)
				return p.printJSON(list)
			case len(list.Profiles) == 0:
				p.say("None yet. Sign in with:  curfew login https://curfew.example.com")
				return nil
			}
			rows := make([][]string, len(list.Profiles))
			for i, one := range list.Profiles {
				rows[i] = []string{"", one.Name, one.URL}
				if one.Name == list.Current {
					rows[i][0] = "*"
				}
			}
			return p.table([]string{"", "PROFILE", "SERVER"}, rows)
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use:               "use PROFILE",
		Short:             "Make a profile the current one",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completeProfiles,
		RunE: func(_ *cobra.Command, args []string) error {
			list, err := p.readProfiles()
			if err != nil {
				return err
			}
			one, found := list.find(args[0])
			if !found {
				return unknownProfile(list, args[0])
			}
			if err := p.writeProfiles(list.with(one)); err != nil {
				return err
			}
			p.say("Commands go to %s now.", one.URL)
			return nil
		},
	})
	return cmd
}

func (p *program) completeProfiles(*cobra.Command, []string, string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
	list, err := p.readProfiles()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, one := range list.Profiles {
		names = append(names, cobra.CompletionWithDesc(display(one.Name), display(one.URL)))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
