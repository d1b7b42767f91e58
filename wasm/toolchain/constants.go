package main

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
)

// constantsRoot is where a module finds its constants, below data; a package's path begins with a name, so none is there.
const constantsRoot = "stepgate constants"

// constantsSection is the custom section of the module that holds them: data as a value literal, for opa_value_parse.
const constantsSection = "stepgate.constants"

// A constant longer than this stays code.
const maxConstantBytes = 256 << 10

// constants are values that a module would otherwise make anew in every evaluation. The host loads them once for an
// instance, below where evaluations begin.
type constants struct {
	places   map[string]int
	literals []string
}

// takeConstants replaces constant rules (fold.go) and constant collections in bodies by references into data.
func takeConstants(r *request, modules map[string]*ast.Module, compiler *ast.Compiler) (*constants, error) {
	taken := &constants{places: map[string]int{}}
	if usesWholeData(compiler) {
		return taken, nil
	}
	folded, err := foldRules(r, compiler)
	if err != nil {
		return nil, err
	}
	names := sortedNames(modules)
	for _, name := range names {
		if err := taken.replaceRules(modules[name], folded); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		for _, rule := range modules[name].Rules {
			taken.walkRule(rule)
		}
	}
	return taken, nil
}

// replaceRules puts one rule for all that made a folded document; those in other modules go.
func (c *constants) replaceRules(module *ast.Module, folded map[string]*foldedDocument) error {
	var kept []*ast.Rule
	for _, rule := range module.Rules {
		document := folded[rule.Ref().GroundPrefix().String()]
		if document == nil {
			kept = append(kept, rule)
			continue
		}
		if document.isReplaced {
			continue
		}
		value, err := c.term(ast.NewTerm(document.value), rule.Location)
		if err != nil {
			return err
		}
		document.isReplaced = true
		head := ast.RefHead(rule.Head.Ref().GroundPrefix())
		head.Value, head.Assign, head.Location = value, true, rule.Location
		always := ast.NewExpr(ast.BooleanTerm(true).SetLocation(rule.Location)).SetLocation(rule.Location)
		kept = append(kept, &ast.Rule{Head: head, Body: ast.NewBody(always), Module: module, Location: rule.Location})
	}
	module.Rules = kept
	return nil
}

// term is the reference to a constant, or a scalar itself.
func (c *constants) term(value *ast.Term, location *ast.Location) (*ast.Term, error) {
	if isScalar(value) {
		return ast.NewTerm(value.Value).SetLocation(location), nil
	}
	text, err := literal(value)
	if err != nil {
		return nil, err
	}
	place, known := c.places[text]
	if !known {
		place = len(c.literals)
		c.places[text] = place
		c.literals = append(c.literals, text)
	}
	ref := ast.Ref{ast.DefaultRootDocument}
	for _, part := range []string{constantsRoot, strconv.Itoa(place)} {
		ref = append(ref, ast.StringTerm(part).SetLocation(location))
	}
	return ast.NewTerm(ref).SetLocation(location), nil
}

// walkRule replaces collections in what a rule computes. What it matches (arguments, keys) and what OPA wants written out
// (defaults, what `with` replaces) stays.
func (c *constants) walkRule(rule *ast.Rule) {
	if rule.Default {
		return
	}
	if rule.Head.Value != nil {
		c.walk(rule.Head.Value)
	}
	c.walk(rule.Body)
	if rule.Else != nil {
		c.walkRule(rule.Else)
	}
}

func (c *constants) walk(x any) {
	ast.NewGenericVisitor(c.visit).Walk(x)
}

func (c *constants) visit(x any) bool {
	switch node := x.(type) {
	case *ast.With:
		return true
	case *ast.Term:
		if ref, isRef := node.Value.(ast.Ref); isRef {
			c.reference(node, ref)
			return true
		}
		if isCollection(node) && isConstant(node) {
			c.replace(node)
			return true
		}
	}
	return false
}

// reference looks at what a reference begins with, `{"a": 1}[x]`: there the reference goes on from the constant.
func (c *constants) reference(term *ast.Term, ref ast.Ref) {
	for _, part := range ref[1:] {
		if _, isNested := part.Value.(ast.Ref); isNested {
			c.walk(part)
		}
	}
	head := ref[0]
	if _, isVar := head.Value.(ast.Var); isVar {
		return
	}
	c.walk(head)
	if constant, isConstant := head.Value.(ast.Ref); isConstant {
		term.Value = append(slices.Clone(constant), ref[1:]...)
	}
}

func (c *constants) replace(term *ast.Term) {
	if text, err := literal(term); err != nil || len(text) > maxConstantBytes {
		return
	}
	if found, err := c.term(term, term.Location); err == nil {
		term.Value = found.Value
	}
}

// appendTo adds the section to a module, if there is anything to add.
func (c *constants) appendTo(module []byte) []byte {
	if len(c.literals) == 0 {
		return module
	}
	var data bytes.Buffer
	data.WriteString(`{"` + constantsRoot + `":{`)
	for place, text := range c.literals {
		separate(&data, place)
		data.WriteString(`"` + strconv.Itoa(place) + `":` + text)
	}
	data.WriteString("}}")
	body := append(binary.AppendUvarint(nil, uint64(len(constantsSection))), constantsSection...)
	body = append(body, data.Bytes()...)
	return append(binary.AppendUvarint(append(bytes.Clone(module), customSection), uint64(len(body))), body...)
}

// usesWholeData is true when a rule looks at all of data, or at members it finds out while it runs: it would see ours.
func usesWholeData(compiler *ast.Compiler) bool {
	found := false
	for _, module := range compiler.Modules {
		for _, rule := range module.Rules {
			ast.WalkRefs(rule, func(ref ast.Ref) bool {
				if ref.HasPrefix(ast.DefaultRootRef) && (len(ref) == 1 || !isString(ref[1])) {
					found = true
				}
				return found
			})
		}
	}
	return found
}

func isString(term *ast.Term) bool {
	_, is := term.Value.(ast.String)
	return is
}

func isScalar(term *ast.Term) bool {
	switch term.Value.(type) {
	case ast.Null, ast.Boolean, ast.Number, ast.String:
		return true
	}
	return false
}

func isCollection(term *ast.Term) bool {
	switch value := term.Value.(type) {
	case *ast.Array:
		return value.Len() > 0
	case ast.Object:
		return value.Len() > 0
	case ast.Set:
		return value.Len() > 0
	}
	return false
}

// isConstant is true for scalars and for collections of constants.
func isConstant(term *ast.Term) bool {
	switch value := term.Value.(type) {
	case *ast.Array:
		return value.Until(func(element *ast.Term) bool { return !isConstant(element) }) == false
	case ast.Object:
		return value.Until(func(key, item *ast.Term) bool { return !isConstant(key) || !isConstant(item) }) == false
	case ast.Set:
		return value.Until(func(element *ast.Term) bool { return !isConstant(element) }) == false
	}
	return isScalar(term)
}
