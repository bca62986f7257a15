// Package connectortest is the law for drivers: what every implementation of connector.Driver must do, as tests
// against its real target.
//
// It owns the cases that concern one driver, with objects of a grant's own (connector.OwnObject) or with rights that
// several grants may hold (connector.MarkedRight, connector.BareRight), and the Harness through which a driver's test lets
// them look at the target past the driver. When such a right is given and taken is for the engine to say, and for its
// tests. It owns no target: a harness starts one.
//
// A new driver needs one short test:
//
//	func TestLaw(t *testing.T) {
//		connectortest.Run(t, &connectortest.Harness{ /* ... */ })
//	}
package connectortest
