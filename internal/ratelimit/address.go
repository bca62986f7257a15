package ratelimit

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// ipv6Bits is how much of an IPv6 address tells one client from another: a network of that size is one customer's.
const ipv6Bits = 64

// Client is by what a caller is told from others: its address, or its network where that is one customer's. Behind a proxy on this
// machine, which is how Curfew is reached from other machines, it is the address that the proxy has appended last to
// X-Forwarded-For: what stands before that is the caller's own word.
func Client(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	at := peer.Addr().Unmap()
	if forwarded := r.Header.Values("X-Forwarded-For"); at.IsLoopback() && len(forwarded) > 0 {
		last := forwarded[len(forwarded)-1]
		if i := strings.LastIndexByte(last, ','); i >= 0 {
			last = last[i+1:]
		}
		if told, err := netip.ParseAddr(strings.TrimSpace(last)); err == nil {
			at = told.Unmap().WithZone("")
		}
	}
	if at.Is6() {
		if network, err := at.Prefix(ipv6Bits); err == nil {
			return network.String()
		}
	}
	return at.String()
}

// Admit takes one of the client's own, or is the refusal of who comes too often, with when to come again (RFC 9110, section 10.2.3).
func (l *Limiter) Admit(w http.ResponseWriter, r *http.Request, now time.Time) error {
	ok, wait := l.Take(Client(r), now)
	if ok {
		return nil
	}
	seconds := strconv.Itoa(max(1, int(wait.Seconds())))
	w.Header().Set("Retry-After", seconds)
	return access.Errorf(access.KindExhausted, "Too many calls from your address; come again in %s s.", seconds)
}
