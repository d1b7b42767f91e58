package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// hosted are builtins that a pack's module asks its host for, although OPA's compiler has them: inside the module a
// pattern is compiled and a table of replacements is sorted anew for every evaluation, which costs many times what the
// work itself does.
var hosted = []string{
	"glob.match",
	"regex.find_all_string_submatch_n",
	"regex.match",
	"strings.replace_n",
}

// hostedRoot is where they are under their other names, "hosted.regex.match"; OPA's compiler has nothing there.
const hostedRoot = "hosted"

// buildCapabilities are what a module is built with, after its sources were compiled against those of a pack.
var buildCapabilities = withHosted(capabilities)

func withHosted(offered *ast.Capabilities) *ast.Capabilities {
	all := *offered
	all.Builtins = slices.Clone(offered.Builtins)
	for _, builtin := range offered.Builtins {
		if slices.Contains(hosted, builtin.Name) {
			renamed := *builtin
			renamed.Name = hostedRoot + "." + builtin.Name
			all.Builtins = append(all.Builtins, &renamed)
		}
	}
	return &all
}

// useHosted renames the calls. Where the sources give a name like `regex` to anything else, a call may mean that: then
// all calls of this family stay as they are, which only costs speed.
func useHosted(modules map[string]*ast.Module) {
	found := &callsAndNames{names: map[string]bool{}}
	for _, name := range sortedNames(modules) {
		found.walk(modules[name])
	}
	for _, operator := range found.operators {
		name := operator.Value.String()
		family, _, _ := strings.Cut(name, ".")
		if slices.Contains(hosted, name) && !found.names[family] && !found.names[hostedRoot] {
			operator.Value = append(ast.Ref{ast.VarTerm(hostedRoot), ast.StringTerm(family)}, operator.Value.(ast.Ref)[1:]...)
		}
	}
}

// callsAndNames collects what is called, and every name that stands anywhere else.
type callsAndNames struct {
	operators []*ast.Term
	names     map[string]bool
}

func sortedNames(modules map[string]*ast.Module) []string {
	return slices.Sorted(maps.Keys(modules))
}

func (c *callsAndNames) walk(x any) {
	ast.NewGenericVisitor(c.visit).Walk(x)
}

func (c *callsAndNames) visit(x any) bool {
	switch node := x.(type) {
	case *ast.Expr:
		if terms, isCall := node.Terms.([]*ast.Term); isCall {
			c.call(terms)
			for _, with := range node.With {
				c.walk(with)
			}
			return true
		}
	case ast.Call:
		c.call(node)
		return true
	case *ast.Head:
		if ref := node.Ref(); len(ref) > 0 {
			c.walk(ref[0])
		}
	case *ast.Import:
		c.names[string(node.Name())] = true
	case ast.Var:
		c.names[string(node)] = true
	}
	return false
}

func (c *callsAndNames) call(terms []*ast.Term) {
	c.operators = append(c.operators, terms[0])
	for _, operand := range terms[1:] {
		c.walk(operand)
	}
}
