// Package secret keeps secrets secret: references to them in configuration files, sealing of what is kept at rest, and
// sealing of credentials to the one person who may read them.
//
// It owns the forms of sealed bytes and the KeyWrapper contract. It does not own where keys come from (packages
// secret/<type>), where sealed bytes are kept (package store) or who may open what (package engine).
package secret
