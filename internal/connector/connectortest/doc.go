// Package connectortest is the law for drivers: what every implementation of connector.Driver must do, as tests
// against its real target.
//
// It owns the cases that concern one driver and objects of its own (connector.OwnObject), and the Harness through which
// a driver's test lets them look at the target past the driver. Cases about rights that several grants share need the
// engine and are not here. It owns no target: a harness starts one.
//
// A new driver needs one short test:
//
//	func TestLaw(t *testing.T) {
//		connectortest.Run(t, &connectortest.Harness{ /* ... */ })
//	}
package connectortest
