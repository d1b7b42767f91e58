// Package main is OPA as one WebAssembly module: check, format, test, build, evaluate, call a builtin.
//
// In: one JSON request in the buffer. Out: one JSON answer, either the result or a list of errors with code and place.
// It reads no file, opens no socket and trusts no clock; what it may use is listed in capabilities.go.
// Not here: where packs live, and how built packs are evaluated (src/policy).
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"unsafe"
)

// Sources larger than these are refused before anything is parsed.
const (
	maxRequestBytes = 32 << 20
	maxFiles        = 512
	maxSourceBytes  = 4 << 20
	maxEntrypoints  = 1024
)

// request is what the host asks; fields not used by an operation stay empty.
type request struct {
	Op          string            `json:"op"`
	Files       map[string]string `json:"files"`
	Entrypoints []string          `json:"entrypoints"`
	// Inputs are JSON texts; a null entry is an evaluation without input.
	Inputs []*string `json:"inputs"`
	// Lenient compiles as OPA does by default: unused imports and variables pass, base documents may be there.
	Lenient bool `json:"lenient"`
	// Data is a JSON text, "" for none.
	Data string `json:"data"`
	// Name and Args name a builtin and its operands as value literals.
	Name string   `json:"name"`
	Args []string `json:"args"`
	// TimeoutMs bounds one evaluation, one test or one builtin call; 0 is refused.
	TimeoutMs int64 `json:"timeoutMs"`
	// inModule leaves every builtin in the module that OPA's compiler has; only for the engine itself.
	inModule bool
}

var operations = map[string]func(*request) (any, []problem){
	"check":       check,
	"format":      formatSources,
	"test":        runTests,
	"build":       build,
	"eval":        evaluate,
	"callbuiltin": callBuiltin,
}

var (
	in  []byte
	out []byte
)

// main never runs in the module: a reactor starts with _initialize. Run natively, it prints what build.mjs asks for.
func main() {
	prints := map[string]func() error{"capabilities": printCapabilities, "engine": printEngine}
	if err := prints[os.Args[1]](); err != nil {
		panic(err)
	}
}

// buffer makes room for a request of n bytes and returns its address, 0 if n is over the limit.
//
//go:wasmexport buffer
func buffer(n int32) int32 {
	if n <= 0 || n > maxRequestBytes {
		return 0
	}
	if int(n) > cap(in) {
		in = make([]byte, n)
	}
	in = in[:n]
	return address(in)
}

// answer returns the address of the last answer.
//
//go:wasmexport answer
func answer() int32 { return address(out) }

// run performs the request in the buffer and returns the answer's length in bytes.
//
//go:wasmexport run
func run() int32 {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(perform(in)); err != nil {
		buf.Reset()
		_ = encoder.Encode(envelope{Errors: []problem{{Code: "internal_error", Message: err.Error()}}})
	}
	out = buf.Bytes()
	return int32(len(out))
}

type envelope struct {
	Result any       `json:"result,omitempty"`
	Errors []problem `json:"errors,omitempty"`
}

func perform(raw []byte) (answer envelope) {
	// a panic of a library must be an answer, not the end of the instance
	defer func() {
		if caught := recover(); caught != nil {
			answer = envelope{Errors: []problem{{Code: "internal_error", Message: fmt.Sprint(caught)}}}
		}
	}()
	var r request
	if err := json.Unmarshal(raw, &r); err != nil {
		return envelope{Errors: []problem{{Code: "request_error", Message: err.Error()}}}
	}
	if refused := overLimit(&r); refused != nil {
		return envelope{Errors: []problem{*refused}}
	}
	operation, known := operations[r.Op]
	if !known {
		return envelope{Errors: []problem{{Code: "request_error", Message: "unknown operation " + r.Op}}}
	}
	result, problems := operation(&r)
	if len(problems) > 0 {
		return envelope{Errors: problems}
	}
	return envelope{Result: result}
}

func overLimit(r *request) *problem {
	total := 0
	for _, source := range r.Files {
		total += len(source)
	}
	switch {
	case len(r.Files) > maxFiles:
		return &problem{Code: "limit_error", Message: fmt.Sprintf("%d files, at most %d", len(r.Files), maxFiles)}
	case total > maxSourceBytes:
		return &problem{Code: "limit_error", Message: fmt.Sprintf("%d bytes of source, at most %d", total, maxSourceBytes)}
	case len(r.Entrypoints) > maxEntrypoints:
		return &problem{Code: "limit_error", Message: fmt.Sprintf("%d entrypoints, at most %d", len(r.Entrypoints), maxEntrypoints)}
	case r.TimeoutMs <= 0:
		return &problem{Code: "request_error", Message: "timeoutMs is missing"}
	}
	return nil
}

func address(b []byte) int32 {
	return int32(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
}
