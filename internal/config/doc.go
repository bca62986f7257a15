// Package config reads what people write: one YAML file or a folder of them, checked as a whole.
//
// It owns the schema of the file, the positions and near misses of its mistakes, and the checks that need more than
// one section at a time: a policy that names a group nobody is in, a stage that too few people can fill, a bundle on a
// connector that is not there. What it returns is free of YAML.
//
// It does not own what a policy means (package policy compiles it), what a connector's own keys mean (its Type says),
// or where a secret comes from (package secret). It opens no connection and no store, and it knows only the connector
// types that it is handed.
//
// Three rules shape the code. Every mistake is reported, not just the first, so the file is decoded by a small strict
// decoder over the syntax tree instead of the library's, which stops at one. Whatever is not understood is refused: an
// unknown key, and a key whose effect is not built yet. And an excerpt shows only text that the decoder has recognised
// as public; all else is masked, so a password in the wrong place is never repeated on a screen or in a log.
package config
