package main

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/compile"
)

type builtModule struct {
	Wasm []byte `json:"wasm"`
}

// build compiles the files to one Wasm module with the given entrypoints.
// Optimisation stays 0: higher levels panic for this target (open-policy-agent/opa#5548).
func build(r *request) (any, []problem) {
	modules, problems := parse(r)
	if len(problems) > 0 {
		return nil, problems
	}
	compiler, problems := compileModules(r, modules)
	if len(problems) > 0 {
		return nil, problems
	}
	taken := &constants{}
	if !r.inModule {
		var err error
		if taken, err = takeConstants(r, modules, compiler); err != nil {
			return nil, problemsOf(err, "build_error")
		}
		useHosted(modules)
	}
	sources := &bundle.Bundle{Data: map[string]any{}}
	sources.Manifest.Init()
	// in order of names, so that the same files give the same bytes
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		sources.Modules = append(sources.Modules, bundle.ModuleFile{
			URL: name, Path: name, RelativePath: name, Parsed: modules[name], Raw: []byte(r.Files[name]),
		})
	}
	var discarded bytes.Buffer
	builder := compile.New().
		WithTarget(compile.TargetWasm).
		WithOptimizationLevel(0).
		WithCapabilities(buildCapabilities).
		WithBundle(sources).
		WithEntrypoints(r.Entrypoints...).
		WithOutput(&discarded)
	if err := builder.Build(context.Background()); err != nil {
		return nil, problemsOf(err, "build_error")
	}
	built := builder.Bundle().WasmModules
	if len(built) != 1 {
		return nil, []problem{{Code: "build_error", Message: "the compiler made no module"}}
	}
	return builtModule{taken.appendTo(built[0].Raw)}, nil
}
