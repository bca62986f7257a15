// Package client is the Go client of the HTTP API, generated from openapi.json, which in turn is written from package
// api. It owns no behaviour: who to ask, with which token, and what to make of an answer are its caller's to say.
package client

//go:generate go test .. -run ^TestCommittedDocumentIsTheCodes$ -update
//go:generate go tool -modfile=../../../tools/gen/go.mod oapi-codegen -config oapi-codegen.yaml openapi.json
