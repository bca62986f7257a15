//go:build !linux

package main

// temporary says that temporary files go where they always go.
func temporary() (folder string, err error) { return "", nil }
