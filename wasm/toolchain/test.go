package main

import (
	"bytes"
	"context"
	"sort"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"
)

type testResult struct {
	Package string `json:"package"`
	Name    string `json:"name"`
	File    string `json:"file"`
	Row     int    `json:"row"`
	// Outcome is pass, fail, skip or error.
	Outcome    string   `json:"outcome"`
	Message    string   `json:"message,omitempty"`
	Output     string   `json:"output,omitempty"`
	Failed     []string `json:"failed,omitempty"`
	DurationUs int64    `json:"durationUs"`
}

type lineRange struct {
	First int `json:"first"`
	Last  int `json:"last"`
}

type fileCoverage struct {
	Percent    float64     `json:"percent"`
	NotCovered []lineRange `json:"notCovered"`
}

// tracers feeds coverage and the scheduler from one tracer, the only one the runner takes.
type tracers struct {
	*cover.Cover
	yielding
}

func (t *tracers) Enabled() bool               { return true }
func (t *tracers) Config() topdown.TraceConfig { return t.Cover.Config() }
func (t *tracers) TraceEvent(event topdown.Event) {
	t.Cover.TraceEvent(event)
	t.yielding.TraceEvent(event)
}

// runTests runs every test rule with OPA's interpreter and counts covered lines.
func runTests(r *request) (any, []problem) {
	modules, problems := parse(r)
	if len(problems) > 0 {
		return nil, problems
	}
	compiler := ast.NewCompiler().WithCapabilities(capabilities).WithEnablePrintStatements(true)
	tracing := &tracers{Cover: cover.New()}
	store := inmem.New()
	ctx := context.Background()
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, problemsOf(err, "test_error")
	}
	defer store.Abort(ctx, txn)
	results, err := tester.NewRunner().
		SetCompiler(compiler).
		SetStore(store).
		CapturePrintOutput(true).
		RaiseBuiltinErrors(true).
		SetCoverageQueryTracer(tracing).
		SetTimeout(time.Duration(r.TimeoutMs)*time.Millisecond).
		SetModules(modules).
		RunTests(ctx, txn)
	if err != nil {
		return nil, problemsOf(err, "test_error")
	}
	all := []testResult{}
	for result := range results {
		all = append(all, viewTest(result))
	}
	sort.Slice(all, func(i, j int) bool {
		return before(problem{File: all[i].File, Row: all[i].Row}, problem{File: all[j].File, Row: all[j].Row})
	})
	return struct {
		Tests    []testResult            `json:"tests"`
		Coverage map[string]fileCoverage `json:"coverage"`
	}{all, viewCoverage(tracing.Cover.Report(modules))}, nil
}

func viewTest(result *tester.Result) testResult {
	view := testResult{
		Package:    result.Package,
		Name:       result.Name,
		Outcome:    "pass",
		Output:     string(bytes.TrimSpace(result.Output)),
		DurationUs: result.Duration.Microseconds(),
	}
	if result.Location != nil {
		view.File, view.Row = result.Location.File, result.Location.Row
	}
	for names, sub := range result.SubResults.Iter {
		if sub.Fail {
			name := names[0]
			for _, part := range names[1:] {
				name += "/" + part
			}
			view.Failed = append(view.Failed, name)
		}
	}
	switch {
	case result.Error != nil:
		view.Outcome, view.Message = "error", result.Error.Error()
	case result.Skip:
		view.Outcome = "skip"
	case result.Fail:
		view.Outcome = "fail"
		if result.FailedAt != nil {
			view.Message = result.FailedAt.String()
		}
	}
	return view
}

func viewCoverage(report cover.Report) map[string]fileCoverage {
	files := make(map[string]fileCoverage, len(report.Files))
	for name, file := range report.Files {
		view := fileCoverage{Percent: file.Coverage, NotCovered: []lineRange{}}
		for _, lines := range file.NotCovered {
			view.NotCovered = append(view.NotCovered, lineRange{lines.Start.Row, lines.End.Row})
		}
		files[name] = view
	}
	return files
}
