package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/curfewhq/curfew/internal/access"
)

// Problem is an error as the API shows it (RFC 9457). It never repeats a value that was sent.
type Problem struct {
	Title  string `json:"title" doc:"The status in words"`
	Status int    `json:"status" doc:"The HTTP status"`
	Detail string `json:"detail" doc:"A sentence that says what is wrong and what to do"`
	// Instance names this occurrence in the server's log.
	Instance string         `json:"instance,omitempty" doc:"Names this occurrence in the server's log"`
	Errors   []FieldProblem `json:"errors,omitempty" nullable:"false" doc:"What is wrong, field by field"`
}

// FieldProblem is what is wrong with one field.
type FieldProblem struct {
	Location string `json:"location" doc:"Where it is, as in body.reason or query.limit"`
	Message  string `json:"message" doc:"What is wrong with it"`
}

// Error is the detail, by which a Problem is an error that huma can send.
func (p *Problem) Error() string { return p.Detail }

// GetStatus is the HTTP status that huma sends.
func (p *Problem) GetStatus() int { return p.Status }

// problemType is the media type of RFC 9457.
const problemType = "application/problem+json"

// ContentType is the media type that huma sends.
func (p *Problem) ContentType(string) string { return problemType }

func newProblem(status int, detail string) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Detail: detail}
}

// newInstance names an occurrence (RFC 9562, section 4).
func newInstance() string { return uuid.Must(uuid.NewV7()).URN() }

// problem is the one way from an error to what the caller sees. The detail of what only operators can mend goes to the
// log, under a name that the caller sees as well.
func (s *surface) problem(ctx context.Context, err error) *Problem {
	kind := access.KindOf(err)
	p := newProblem(kind.HTTPStatus(), access.SafeMessage(err))
	if p.Status < http.StatusInternalServerError || errors.Is(err, context.Canceled) {
		return p
	}
	p.Instance = newInstance()
	s.Log.ErrorContext(ctx, "a call failed", "instance", p.Instance, "kind", kind.String(), "error", err)
	return p
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	// A client that has gone away is no error of ours.
	_ = json.NewEncoder(w).Encode(p)
}

// problemFromHuma turns the errors that huma makes itself into problems. Theirs hold the values that were sent; ours
// keep the place and the message.
func problemFromHuma(_ huma.Context, _ string, v any) (any, error) {
	model, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := newProblem(model.Status, "")
	var details []string
	for _, e := range model.Errors {
		if len(p.Errors) == maxFieldProblems {
			break
		}
		field := FieldProblem{Location: printable(e.Location), Message: e.Message}
		p.Errors = append(p.Errors, field)
		details = append(details, field.Location+": "+field.Message)
	}
	p.Detail = sentence(model.Detail)
	if len(details) > 0 {
		p.Detail = fmt.Sprintf("This is not a valid call: %s.", strings.Join(details, "; "))
	}
	return p, nil
}

const (
	// maxFieldProblems bounds the list of a call in which everything is wrong.
	maxFieldProblems = 10
	// maxLocation bounds a location, which holds names of fields that the caller chose.
	maxLocation = 96
)

// printable is a location with every character that is not ASCII print replaced, and cut to maxLocation.
func printable(location string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, location)
	return clean[:min(len(clean), maxLocation)]
}

// sentence gives huma's short texts the form of ours.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// problemResponse describes the answer to a call that failed.
func problemResponse(schemas huma.Registry) *huma.Response {
	return &huma.Response{
		Description: "What went wrong",
		Content:     map[string]*huma.MediaType{problemType: {Schema: schemas.Schema(reflect.TypeFor[Problem](), true, "")}},
	}
}
