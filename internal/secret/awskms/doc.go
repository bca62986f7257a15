// Package awskms is the KeyWrapper whose key-encryption key never leaves AWS's Key Management Service.
//
// It owns the two calls that it makes there (Encrypt and Decrypt, over HTTPS, signed with Signature Version 4), and where
// the credentials for them come from. What is wrapped is bound to installation, tenant, generation and use by the
// encryption context, which a key policy can ask for and which CloudTrail shows. It owns no key policy: docs/keys.md has
// one.
package awskms
