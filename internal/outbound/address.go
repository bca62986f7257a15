package outbound

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// dialLimit bounds the making of a connection.
const dialLimit = 10 * time.Second

// Reach says which addresses may be dialled.
type Reach uint8

const (
	// Anywhere is every address but those that only this machine's own cloud answers at.
	Anywhere Reach = iota
	// Loopback is this machine.
	Loopback
)

// Dialer dials what is within reach, and refuses everything else when it knows the address.
func Dialer(reach Reach) *net.Dialer {
	return &net.Dialer{Timeout: dialLimit, Control: func(_, address string, _ syscall.RawConn) error {
		return reach.check(address)
	}}
}

// check holds the address of a socket that is about to be connected against the reach.
func (r Reach) check(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("the address %s cannot be read, and is not dialled", address)
	}
	ip := plain(at.Addr())
	switch {
	case r == Loopback && !ip.IsLoopback():
		return fmt.Errorf("%s is not this machine, and what goes there is not encrypted: use TLS", ip)
	case forbidden(ip):
		return fmt.Errorf("%s is never dialled: it is link-local, a metadata service, or no address of a host", ip)
	}
	return nil
}

// translated is the prefix under which a translator to IPv4 is reached (RFC 6052).
var translated = netip.MustParsePrefix("64:ff9b::/96")

// plain is the IPv4 address that an IPv6 address stands for, if it does.
func plain(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if translated.Contains(ip) {
		b := ip.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return ip
}

// metadata are the addresses of clouds' metadata services that are not link-local.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"),   // AWS
	netip.MustParseAddr("fd20:ce::254"),    // Google Cloud
	netip.MustParseAddr("100.100.100.200"), // Alibaba Cloud
	netip.MustParseAddr("168.63.129.16"),   // Azure
	netip.MustParseAddr("192.0.0.192"),     // Oracle Cloud
}

func forbidden(ip netip.Addr) bool {
	return !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() || slices.Contains(metadata, ip)
}

// IsLoopbackHost reports whether a host that is written in a configuration is this machine. A name that only resolves to it is
// not known to be, but for localhost; what it leads to is looked at when it is dialled.
func IsLoopbackHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && plain(ip).IsLoopback()
}

// CheckHost looks at every address of a host before a program is told to call it that dials by itself. That is less than
// Dialer does: a name may lead elsewhere a moment later.
func (r Reach) CheckHost(ctx context.Context, host string) error {
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return err
	}
	for _, ip := range found {
		if err := r.check(netip.AddrPortFrom(ip, 1).String()); err != nil {
			return err
		}
	}
	return nil
}
