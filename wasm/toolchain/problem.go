package main

import (
	"errors"
	"sort"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// problem is one error with the place it is about; row and col count from 1, 0 means no place.
type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	File    string `json:"file,omitempty"`
	Row     int    `json:"row,omitempty"`
	Col     int    `json:"col,omitempty"`
}

// problemsOf keeps the structure of OPA's errors; `code` is for those that have none of their own.
func problemsOf(err error, code string) []problem {
	var list ast.Errors
	if errors.As(err, &list) {
		problems := make([]problem, 0, len(list))
		for _, e := range list {
			problems = append(problems, placed(e.Code, e.Message, e.Location))
		}
		sort.SliceStable(problems, func(i, j int) bool { return before(problems[i], problems[j]) })
		return problems
	}
	var one *ast.Error
	if errors.As(err, &one) {
		return []problem{placed(one.Code, one.Message, one.Location)}
	}
	var evaluation *topdown.Error
	if errors.As(err, &evaluation) {
		return []problem{placed(evaluation.Code, evaluation.Message, evaluation.Location)}
	}
	var store *storage.Error
	if errors.As(err, &store) {
		return []problem{{Code: store.Code, Message: store.Message}}
	}
	return []problem{{Code: code, Message: err.Error()}}
}

func placed(code, message string, at *ast.Location) problem {
	p := problem{Code: code, Message: message}
	if at != nil {
		p.File, p.Row, p.Col = at.File, at.Row, at.Col
	}
	return p
}

func before(a, b problem) bool {
	if a.File != b.File {
		return a.File < b.File
	}
	if a.Row != b.Row {
		return a.Row < b.Row
	}
	return a.Col < b.Col
}
