// Package outbound calls addresses that an operator has written into the configuration: webhooks, log servers.
//
// It owns what such a call may reach: an address is looked at when it is dialled, after its name was resolved, so that no name
// leads to the metadata service of a cloud; what is not encrypted stays on this machine; no redirect is followed, and no
// answer is read without end. It does not own what is said.
package outbound
