package policy

import (
	"time"

	"cel.dev/cel-go/cel"
)

// subject is what an expression is about: one target of one input, as one policy sees it.
type subject struct {
	in     *Input
	target *Target
	// begin is when access would begin.
	begin time.Time
	// duration is how long it would last under the policy in question.
	duration time.Duration
	vars     map[string]variable
}

// variable is one name that expressions know.
type variable struct {
	typ   *cel.Type
	value func(*subject) any
}

// principalName is what the requester is called, which people read and which few policies go by.
const principalName = "principal.name"

// variables is the one list of what expressions can read. Each is declared by its full name, so that a misspelt
// resource.lables is an error when the policy is read.
func variables() map[string]variable {
	texts := cel.MapType(cel.StringType, cel.StringType)
	return map[string]variable{
		"now": {cel.TimestampType, func(s *subject) any { return s.in.Now }},

		"principal.id":         {cel.StringType, func(s *subject) any { return s.in.Principal.ID.String() }},
		"principal.issuer":     {cel.StringType, func(s *subject) any { return s.in.Principal.ID.Issuer }},
		"principal.subject":    {cel.StringType, func(s *subject) any { return s.in.Principal.ID.Subject }},
		"principal.kind":       {cel.StringType, func(s *subject) any { return string(s.in.Principal.Kind) }},
		"principal.person":     {cel.StringType, func(s *subject) any { return string(s.in.Principal.Person) }},
		principalName:          {cel.StringType, func(s *subject) any { return s.in.Principal.Name }},
		"principal.groups":     {cel.ListType(cel.StringType), func(s *subject) any { return s.in.Principal.Groups }},
		"principal.attributes": {texts, func(s *subject) any { return s.in.Principal.Attributes }},
		"principal.acts_for":   {cel.StringType, func(s *subject) any { return s.in.Principal.ActsFor.String() }},

		"resource.connector":   {cel.StringType, func(s *subject) any { return string(s.target.Entitlement.Connector) }},
		"resource.type":        {cel.StringType, func(s *subject) any { return s.target.Type }},
		"resource.name":        {cel.StringType, func(s *subject) any { return s.target.Entitlement.Resource }},
		"resource.permission":  {cel.StringType, func(s *subject) any { return s.target.Entitlement.Permission }},
		"resource.entitlement": {cel.StringType, func(s *subject) any { return s.target.Entitlement.String() }},
		"resource.labels":      {texts, func(s *subject) any { return s.target.Labels }},
		"resource.bundle":      {cel.StringType, func(s *subject) any { return s.target.Bundle }},

		// The duration is what would be granted, also where none was asked: a condition on it must not be passed by
		// not asking.
		"request.duration":    {cel.DurationType, func(s *subject) any { return s.duration }},
		"request.start":       {cel.TimestampType, func(s *subject) any { return s.begin }},
		"request.reason":      {cel.StringType, func(s *subject) any { return s.in.Reason }},
		"request.ticket":      {cel.StringType, func(s *subject) any { return s.in.Ticket }},
		"request.params":      {texts, func(s *subject) any { return s.in.Params }},
		"request.break_glass": {cel.BoolType, func(s *subject) any { return s.in.BreakGlass }},
		"request.asked_by":    {cel.StringType, func(s *subject) any { return s.in.AskedBy.ID.String() }},
		"request.mfa":         {cel.BoolType, func(s *subject) any { return s.in.MFA }},
	}
}

// ResolveName implements cel.Activation.
func (s *subject) ResolveName(name string) (any, bool) {
	v, ok := s.vars[name]
	if !ok {
		return nil, false
	}
	return v.value(s), true
}

// Parent implements cel.Activation.
func (s *subject) Parent() cel.Activation { return nil }
