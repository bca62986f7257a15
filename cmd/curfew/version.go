package main

import (
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version of this program",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := version()
			if p.wantsJSON() {
				return p.printJSON(v)
			}
			p.say("curfew %s %s", v.Version, v.Go)
			return nil
		},
	}
}

type versionOutput struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
}

// version is what the toolchain wrote into the program.
func version() versionOutput {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return versionOutput{Version: "unknown"}
	}
	v := versionOutput{Version: info.Main.Version, Go: info.GoVersion}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Revision = s.Value
		}
	}
	return v
}
