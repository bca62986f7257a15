package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/delivery"
	"github.com/curfewhq/curfew/internal/delivery/filewitness"
	"github.com/curfewhq/curfew/internal/delivery/gitwitness"
	"github.com/curfewhq/curfew/internal/delivery/syslog"
	"github.com/curfewhq/curfew/internal/delivery/webhook"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/secret"
)

// lastDelivery bounds how long a stopping server tries to give witnesses the last checkpoint.
const lastDelivery = 10 * time.Second

// nodeName is what this node is called in leases. One that has the books to itself is always called the same, so that it goes
// on at once after it died.
func nodeName(alone bool) string {
	if alone {
		return "the only node"
	}
	return engine.UUIDs{}.New("node_")
}

// openDelivery makes what carries the audit log to where a configuration says, with its secrets resolved.
func (s *Server) openDelivery(c *config.Config) (*delivery.Service, error) {
	o := delivery.Config{Tenant: access.DefaultTenant, Store: s.store, Audit: s.engine, Holder: s.holder, Log: s.log}
	for _, w := range c.Audit.Witnesses {
		witness, err := openWitness(w, c.Server.HeadFile)
		if err != nil {
			return nil, fmt.Errorf("the witness %s: %w", w.Name, err)
		}
		o.Witnesses = append(o.Witnesses, delivery.WitnessOptions{Name: w.Name, Every: w.Every, Witness: witness})
	}
	for _, stream := range c.Audit.Streams {
		receiver, err := openStream(stream)
		if err != nil {
			return nil, fmt.Errorf("the stream %s: %w", stream.Name, err)
		}
		encode := audit.Record.MarshalJSON
		if stream.Format == "ocsf" {
			encode = audit.OCSF
		}
		o.Streams = append(o.Streams, delivery.StreamOptions{
			Name: stream.Name, Stream: receiver, Encode: encode, Impersonal: stream.Impersonal,
		})
	}
	for _, warning := range CheckAudit(c) {
		s.log.Warn(warning)
	}
	return delivery.New(o), nil
}

func openWitness(w config.Witness, headFile string) (delivery.Witness, error) {
	switch {
	case w.File != "":
		return filewitness.New(w.File), nil
	case w.Webhook != "":
		token, err := optional(w.Token)
		return webhook.NewWitness(w.Webhook, token), err
	}
	key, err := optional(w.SSHKey)
	return gitwitness.New(gitwitness.Options{
		Repository: w.Git, SSHKey: key, KnownHosts: w.KnownHosts,
		Folder: strings.TrimSuffix(headFile, filepath.Ext(headFile)) + ".witness-" + w.Name,
	}), err
}

func openStream(s config.Stream) (delivery.Stream, error) {
	if s.Webhook != "" {
		key, err := s.Secret.Resolve()
		return webhook.NewStream(s.Webhook, key), err
	}
	hostname, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	return syslog.New(s.Syslog, s.CA, hostname)
}

// optional follows a reference to a secret, if there is one.
func optional(r secret.Ref) (string, error) {
	if r == "" {
		return "", nil
	}
	return r.Resolve()
}

// deliver begins to deliver, in place of what delivered before.
func (s *Server) deliver(next *delivery.Service) {
	if before := s.delivery.Swap(next); before != nil {
		stop(before)
	}
	next.Start()
}

// stopDelivery signs what was logged last, and gives it to each witness.
func (s *Server) stopDelivery() {
	carries := s.delivery.Load()
	if carries == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastDelivery)
	defer cancel()
	for more := true; more; {
		var err error
		if more, err = s.engine.Integrate(ctx); err != nil {
			s.log.WarnContext(ctx, "what was logged last is in no checkpoint yet", "error", err)
		}
	}
	stop(carries)
}

func stop(d *delivery.Service) {
	ctx, cancel := context.WithTimeout(context.Background(), lastDelivery)
	defer cancel()
	d.Stop(ctx)
}

// CheckAudit says what is weak about where the audit log goes, though it is allowed.
func CheckAudit(c *config.Config) (warnings []string) {
	if len(c.Audit.Witnesses) == 0 {
		warnings = append(warnings, delivery.NoWitness)
	}
	at, err := c.Store.Resolve()
	if err != nil || at.Path == "" {
		return warnings
	}
	for _, w := range c.Audit.Witnesses {
		if w.File != "" && sameDevice(filepath.Dir(w.File), filepath.Dir(at.Path)) {
			warnings = append(warnings, fmt.Sprintf(
				"the witness %s is on the file system of the store: what becomes of the one becomes of the other; name a place that others look after", w.Name))
		}
	}
	return warnings
}
