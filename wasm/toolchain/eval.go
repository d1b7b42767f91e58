package main

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/util"
)

type evaluation struct {
	// Value is the entrypoint's document as a JSON text, absent when it is undefined.
	Value string `json:"value,omitempty"`
	Error string `json:"error,omitempty"`
}

// evaluate asks OPA's interpreter for one entrypoint under each input, compiled once.
func evaluate(r *request) (any, []problem) {
	modules, problems := parse(r)
	if len(problems) > 0 {
		return nil, problems
	}
	compiler, problems := compileModules(r, modules)
	if len(problems) > 0 {
		return nil, problems
	}
	if len(r.Entrypoints) != 1 {
		return nil, []problem{{Code: "request_error", Message: "exactly one entrypoint is evaluated"}}
	}
	data := map[string]any{}
	if r.Data != "" {
		if err := util.UnmarshalJSON([]byte(r.Data), &data); err != nil {
			return nil, problemsOf(err, "request_error")
		}
	}
	store := inmem.NewFromObject(data)
	ctx := context.Background()
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, problemsOf(err, "eval_error")
	}
	defer store.Abort(ctx, txn)
	query, err := compiler.QueryCompiler().Compile(ast.NewBody(ast.NewExpr(entrypointTerm(r.Entrypoints[0]))))
	if err != nil {
		return nil, problemsOf(err, "eval_error")
	}
	evaluations := make([]evaluation, 0, len(r.Inputs))
	for _, text := range r.Inputs {
		input, err := inputTerm(text)
		if err != nil {
			return nil, problemsOf(err, "request_error")
		}
		var found evaluation
		run := topdown.NewQuery(query).
			WithCompiler(compiler).
			WithStore(store).
			WithTransaction(txn).
			WithInput(input).
			WithTime(time.Unix(0, 0)).
			WithCancel(newDeadline(r.TimeoutMs))
		if err := run.Iter(ctx, func(result topdown.QueryResult) error {
			return found.set(result)
		}); err != nil {
			found = evaluation{Error: err.Error()}
		}
		evaluations = append(evaluations, found)
	}
	return struct {
		Evaluations []evaluation `json:"evaluations"`
	}{evaluations}, nil
}

// set keeps the one binding of the query `entrypoint = result`.
func (e *evaluation) set(result topdown.QueryResult) error {
	value, err := ast.JSON(result[resultVar].Value)
	if err != nil {
		return err
	}
	text, err := json.Marshal(value)
	e.Value = string(text)
	return err
}

const resultVar = ast.Var("result")

func entrypointTerm(path string) []*ast.Term {
	ref := ast.Ref{ast.DefaultRootDocument}
	for part := range strings.SplitSeq(path, "/") {
		ref = append(ref, ast.StringTerm(part))
	}
	return ast.Equality.Call(ast.NewTerm(ref), ast.NewTerm(resultVar)).Value.(ast.Call)
}

func inputTerm(text *string) (*ast.Term, error) {
	if text == nil {
		return nil, nil
	}
	var input any
	if err := util.UnmarshalJSON([]byte(*text), &input); err != nil {
		return nil, err
	}
	value, err := ast.InterfaceToValue(input)
	if err != nil {
		return nil, err
	}
	return ast.NewTerm(value), nil
}
