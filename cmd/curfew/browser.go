package main

import (
	"context"
	"net/url"
	"os/exec"
	"runtime"
)

// openBrowser shows an address in the user's browser, and reports whether it could be started. The program is the one that
// BROWSER names, or the desktop's, which opens more than pages: what is none is not handed on.
func openBrowser(ctx context.Context, getenv func(string) string, address string) bool {
	if !isPage(address) {
		return false
	}
	cmd := browserCommand(context.WithoutCancel(ctx), getenv, address)
	if cmd == nil || cmd.Start() != nil {
		return false
	}
	go func() { _ = cmd.Wait() }()
	return true
}

// browserCommand shows an address in the user's browser; nil where there is none.
func browserCommand(ctx context.Context, getenv func(string) string, address string) *exec.Cmd {
	switch browser := getenv("BROWSER"); {
	case browser != "":
		return exec.CommandContext(ctx, browser, address)
	case runtime.GOOS == "darwin":
		return exec.CommandContext(ctx, "open", address)
	case runtime.GOOS == "windows":
		return exec.CommandContext(ctx, "rundll32", "url.dll,FileProtocolHandler", address)
	case getenv("DISPLAY") != "" || getenv("WAYLAND_DISPLAY") != "":
		return exec.CommandContext(ctx, "xdg-open", address)
	}
	return nil
}

// isPage reports whether an address that a server names is that of a page, and no file, program or option.
func isPage(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil
}
