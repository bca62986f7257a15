// Package secret keeps secrets secret: references to them in configuration files, sealing of what is kept at rest, and
// sealing of credentials to the one person who may read them.
//
// It owns the forms of sealed bytes, the generations of a tenant's keys, and the KeyWrapper contract. It does not own
// where key-encryption keys come from (packages secret/<type>), where sealed bytes and wrapped keys are kept (package
// store), when keys are rotated, or who may open what (package engine).
package secret
