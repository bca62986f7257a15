// Package journey goes through Curfew as people do: the real programs, a real identity provider, and a real browser.
//
// It owns these journeys, which are tests, and nothing that a program links.
package journey
