package main

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/util"
)

type noResult struct{}

// parse reads all files as Rego v1, annotations included, and reports the errors of all of them.
func parse(r *request) (map[string]*ast.Module, []problem) {
	modules := make(map[string]*ast.Module, len(r.Files))
	var problems []problem
	for _, name := range util.KeysSorted(r.Files) {
		module, err := ast.ParseModuleWithOpts(name, r.Files[name], ast.ParserOptions{
			ProcessAnnotation: true,
			RegoVersion:       ast.RegoV1,
			Capabilities:      capabilities,
		})
		if err != nil {
			problems = append(problems, problemsOf(err, ast.ParseErr)...)
			continue
		}
		if module == nil {
			problems = append(problems, problem{Code: ast.ParseErr, Message: "the file is empty", File: name})
			continue
		}
		modules[name] = module
	}
	return modules, problems
}

// compileModules compiles with our capabilities; strict: unused imports and variables are errors.
func compileModules(r *request, modules map[string]*ast.Module) (*ast.Compiler, []problem) {
	compiler := ast.NewCompiler().WithStrict(!r.Lenient).WithCapabilities(capabilities)
	// the compiler rewrites what it is given, and the caller still needs the modules as parsed
	copies := maps.Clone(modules)
	for name, module := range copies {
		copies[name] = module.Copy()
	}
	if compiler.Compile(copies); compiler.Failed() {
		return nil, problemsOf(compiler.Errors, ast.CompileErr)
	}
	return compiler, nil
}

// check parses and compiles the files, nothing else.
func check(r *request) (any, []problem) {
	modules, problems := parse(r)
	if len(problems) > 0 {
		return nil, problems
	}
	if _, problems = compileModules(r, modules); len(problems) > 0 {
		return nil, problems
	}
	return noResult{}, nil
}

// formatSources returns every file in canonical form.
func formatSources(r *request) (any, []problem) {
	files := make(map[string]string, len(r.Files))
	var problems []problem
	for _, name := range slices.Sorted(maps.Keys(r.Files)) {
		formatted, err := format.SourceWithOpts(name, []byte(r.Files[name]), format.Opts{
			RegoVersion:   ast.RegoV1,
			Capabilities:  capabilities,
			ParserOptions: &ast.ParserOptions{RegoVersion: ast.RegoV1, Capabilities: capabilities},
		})
		if err != nil {
			problems = append(problems, problemsOf(err, ast.ParseErr)...)
			continue
		}
		files[name] = string(formatted)
	}
	return struct {
		Files map[string]string `json:"files"`
	}{files}, problems
}
