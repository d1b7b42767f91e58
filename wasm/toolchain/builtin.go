package main

import (
	"bytes"
	"context"
	"errors"
	"strings"

	_ "time/tzdata" // zones come with the module, so that time.clock and time.format answer alike everywhere

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"
)

type builtinAnswer struct {
	// Value is a value literal, absent when the builtin is undefined for these operands.
	Value string `json:"value,omitempty"`
	// Halted is true when the evaluation must end as a fault, not go on with undefined.
	Halted  bool   `json:"halted,omitempty"`
	Message string `json:"message,omitempty"`
}

// callBuiltin answers one pure builtin exactly as OPA's interpreter does.
func callBuiltin(r *request) (any, []problem) {
	implementation := topdown.GetBuiltin(r.Name)
	if implementation == nil || !isOffered(r.Name) {
		return nil, []problem{{Code: "builtin_error", Message: "not offered: " + r.Name}}
	}
	operands := make([]*ast.Term, 0, len(r.Args))
	for _, text := range r.Args {
		// Rego's scanner refuses a byte-order mark even inside a string; payloads may hold one
		operand, err := ast.ParseTerm(strings.ReplaceAll(text, "\ufeff", `\ufeff`))
		if err != nil {
			return nil, problemsOf(err, "request_error")
		}
		operands = append(operands, operand)
	}
	var found *ast.Term
	err := implementation(builtinContext(r.TimeoutMs), operands, func(term *ast.Term) error {
		found = term
		return nil
	})
	if err != nil {
		var halt topdown.Halt
		return builtinAnswer{Halted: errors.As(err, &halt), Message: err.Error()}, nil
	}
	if found == nil {
		return builtinAnswer{}, nil
	}
	text, err := literal(found)
	if err != nil {
		return nil, problemsOf(err, "builtin_error")
	}
	return builtinAnswer{Value: text}, nil
}

// builtinContext has no time, no randomness and no network to give.
func builtinContext(timeoutMs int64) topdown.BuiltinContext {
	return topdown.BuiltinContext{
		Context:      context.Background(),
		Metrics:      metrics.New(),
		Seed:         bytes.NewReader(nil),
		Time:         ast.NumberTerm("0"),
		Cancel:       newDeadline(timeoutMs),
		Cache:        make(builtins.Cache),
		Capabilities: capabilities,
	}
}
