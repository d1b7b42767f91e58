package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

// The functions of OPA's Wasm runtime that the engine gives its host.
var engineFunctions = []string{"opa_glob_match", "opa_regex_find_all_string_submatch", "opa_regex_match"}

// A policy that calls them, so that the compiler leaves them in.
const enginePolicy = `package engine

answer := [
	glob.match(input.pattern, input.delimiters, input.text),
	regex.find_all_string_submatch_n(input.pattern, input.text, input.limit),
	regex.match(input.pattern, input.text),
]
`

// printEngine writes regex.wasm: RE2 as OPA's compiled policies hold it, in an instance of its own that keeps what it
// compiled; build.mjs runs it with the machine's own Go.
func printEngine() error {
	built, problems := build(&request{
		Files:       map[string]string{"engine.rego": enginePolicy},
		Entrypoints: []string{"engine/answer"},
		inModule:    true,
	})
	if len(problems) > 0 {
		return errors.New(problems[0].Message)
	}
	engine, err := exportFunctions(built.(builtModule).Wasm, engineFunctions)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(engine)
	return err
}

const (
	customSection   = 0
	exportSection   = 7
	functionNames   = 1
	functionKind    = 0
	moduleHeadBytes = 8
)

// exportFunctions adds exports of functions by their names in the module's name section, and leaves that section out.
func exportFunctions(module []byte, names []string) ([]byte, error) {
	indices, err := functionIndices(module)
	if err != nil {
		return nil, err
	}
	var added []byte
	for _, name := range names {
		index, found := indices[name]
		if !found {
			return nil, fmt.Errorf("no function %s", name)
		}
		added = binary.AppendUvarint(added, uint64(len(name)))
		added = append(added, name...)
		added = append(added, functionKind)
		added = binary.AppendUvarint(added, index)
	}
	edited := bytes.Clone(module[:moduleHeadBytes])
	err = eachSection(module[moduleHeadBytes:], func(id byte, body []byte) {
		if id == customSection {
			return
		}
		if id == exportSection {
			count, head := binary.Uvarint(body)
			body = append(append(binary.AppendUvarint(nil, count+uint64(len(names))), body[head:]...), added...)
		}
		edited = append(binary.AppendUvarint(append(edited, id), uint64(len(body))), body...)
	})
	return edited, err
}

// functionIndices reads the name section (WebAssembly core specification, appendix 7.4.1).
func functionIndices(module []byte) (map[string]uint64, error) {
	indices := map[string]uint64{}
	err := eachSection(module[moduleHeadBytes:], func(id byte, body []byte) {
		rest, isNames := bytes.CutPrefix(body, append([]byte{4}, "name"...))
		if id != customSection || !isNames {
			return
		}
		_ = eachSection(rest, func(id byte, body []byte) {
			if id != functionNames {
				return
			}
			count, read := binary.Uvarint(body)
			for body = body[read:]; count > 0; count-- {
				index, read := binary.Uvarint(body)
				length, more := binary.Uvarint(body[read:])
				start := read + more
				indices[string(body[start:start+int(length)])] = index
				body = body[start+int(length):]
			}
		})
	})
	return indices, err
}

// eachSection goes through parts that begin with an id and a length.
func eachSection(content []byte, visit func(id byte, body []byte)) error {
	for len(content) > 0 {
		length, read := binary.Uvarint(content[1:])
		start := 1 + read
		if read <= 0 || uint64(len(content)-start) < length {
			return errors.New("a section that does not end")
		}
		visit(content[0], content[start:start+int(length)])
		content = content[start+int(length):]
	}
	return nil
}
