// Package dev is `curfewd dev`: Curfew with a private PostgreSQL, other private servers that are on the machine, demo people and a demo configuration, on this machine,
// in one command; and `--tour`, which plays the life of a grant.
//
// It owns what the demo consists of and how it is put away again. Everything else is the real server: the same
// configuration file, the same engine, the same driver.
package dev
