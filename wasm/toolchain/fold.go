package main

import (
	"context"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// foldable are builtins that OPA's interpreter and its Wasm runtime answer alike to the last character: no fractions, no
// formats. Rules that use others are left to the runtime.
var foldable = []string{
	"and", "array.concat", "array.reverse", "array.slice", "assign", "concat", "contains", "count", "endswith", "eq", "equal",
	"format_int", "gt", "gte", "indexof", "internal.member_2", "internal.member_3", "intersection", "is_array",
	"is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string", "lower", "lt", "lte", "max", "min", "minus",
	"mul", "neq", "numbers.range", "object.filter", "object.get", "object.keys", "object.remove", "object.union",
	"object.union_n", "or", "plus", "rem", "replace", "sort", "split", "startswith", "strings.replace_n", "strings.reverse",
	"substring", "sum", "trim", "trim_left", "trim_prefix", "trim_right", "trim_suffix", "union", "upper",
}

// foldedDocument is a document that is the same whatever the input.
type foldedDocument struct {
	value      ast.Value
	isReplaced bool
}

// document is what all rules with one path make together.
type document struct {
	path  ast.Ref
	rules []*ast.Rule
	// isOpen: depends on the input, or on what somebody replaces while it is asked for.
	isOpen, isLookedAt bool
}

type documents struct {
	byPath map[string]*document
	all    []*document
	// replaced are the paths that some rule replaces with `with`.
	replaced []ast.Ref
	// mayHaveData: base documents can lie beside the rules, as in OPA's own cases and in no pack.
	mayHaveData bool
}

// foldRules evaluates every document that depends on no input, by its path; as the interpreter answers. What ends
// with an error stays as it is; what takes too long is an error.
func foldRules(r *request, compiler *ast.Compiler) (map[string]*foldedDocument, error) {
	folded := map[string]*foldedDocument{}
	found := collectDocuments(compiler)
	found.mayHaveData = r.Lenient
	if !found.openReplaced(compiler) {
		return folded, nil
	}
	store := inmem.New()
	ctx := context.Background()
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Abort(ctx, txn)
	for _, one := range found.all {
		if found.isOpen(one) || found.isShared(one) || slices.ContainsFunc(one.rules, isFunction) || isEntrypoint(r, one) {
			continue
		}
		equality := ast.Equality.Call(ast.NewTerm(one.path), ast.NewTerm(resultVar)).Value.(ast.Call)
		query, err := compiler.QueryCompiler().Compile(ast.NewBody(ast.NewExpr([]*ast.Term(equality))))
		if err != nil {
			continue
		}
		var values []ast.Value
		run := topdown.NewQuery(query).WithCompiler(compiler).WithStore(store).WithTransaction(txn).
			WithCancel(newDeadline(r.TimeoutMs))
		err = run.Iter(ctx, func(result topdown.QueryResult) error {
			values = append(values, result[resultVar].Value)
			return nil
		})
		if topdown.IsCancel(err) {
			// to leave it as it is would make the module depend on how fast the machine was
			return nil, err
		}
		if err != nil || len(values) != 1 || !isShortInteger(values[0]) {
			continue
		}
		folded[one.path.String()] = &foldedDocument{value: values[0]}
	}
	return folded, nil
}

func collectDocuments(compiler *ast.Compiler) *documents {
	found := &documents{byPath: map[string]*document{}}
	for _, name := range sortedNames(compiler.Modules) {
		for _, rule := range compiler.Modules[name].Rules {
			path := rule.Ref().GroundPrefix()
			one := found.byPath[path.String()]
			if one == nil {
				one = &document{path: path}
				found.byPath[path.String()] = one
				found.all = append(found.all, one)
			}
			one.rules = append(one.rules, rule)
		}
	}
	return found
}

// openReplaced marks what `with` replaces somewhere; it returns false when that is a function of OPA's own.
func (d *documents) openReplaced(compiler *ast.Compiler) bool {
	areDocuments := true
	for _, module := range compiler.Modules {
		ast.WalkWiths(module, func(with *ast.With) bool {
			target, _ := with.Target.Value.(ast.Ref)
			if target.HasPrefix(ast.InputRootRef) {
				return false
			}
			areDocuments = areDocuments && target.HasPrefix(ast.DefaultRootRef)
			d.replaced = append(d.replaced, target)
			for _, one := range d.all {
				if one.path.HasPrefix(target) || target.HasPrefix(one.path) {
					one.isLookedAt, one.isOpen = true, true
				}
			}
			return false
		})
	}
	return areDocuments
}

func (d *documents) isOpen(one *document) bool {
	if !one.isLookedAt {
		one.isLookedAt = true
		one.isOpen = slices.ContainsFunc(one.rules, d.isOpenRule)
	}
	return one.isOpen
}

func (d *documents) isOpenRule(rule *ast.Rule) bool {
	isOpen := false
	ast.NewGenericVisitor(func(x any) bool {
		switch node := x.(type) {
		case *ast.With:
			isOpen = true
		case ast.Number:
			isOpen = isOpen || !isInteger(node)
		case ast.Var:
			isOpen = isOpen || node == ast.InputRootDocument.Value.(ast.Var)
		case *ast.Expr:
			if node.IsCall() {
				isOpen = isOpen || d.isOpenCall(node.Operator())
			}
		case ast.Call:
			if operator, isRef := node[0].Value.(ast.Ref); isRef {
				isOpen = isOpen || d.isOpenCall(operator)
			}
		case ast.Ref:
			if node.HasPrefix(ast.DefaultRootRef) {
				isOpen = isOpen || d.isOpenReference(node)
			}
		}
		return isOpen
	}).Walk(rule)
	return isOpen
}

func (d *documents) isOpenCall(operator ast.Ref) bool {
	if operator.HasPrefix(ast.DefaultRootRef) {
		return d.isOpenReference(operator)
	}
	return !slices.Contains(foldable, operator.String())
}

// isOpenReference is true when a reference may reach anything but documents that are known.
func (d *documents) isOpenReference(ref ast.Ref) bool {
	known := ref.StringPrefix()
	for _, path := range d.replaced {
		if path.HasPrefix(known) || known.HasPrefix(path) {
			return true
		}
	}
	for end := len(known); end > 1; end-- {
		if one := d.byPath[known[:end].String()]; one != nil {
			return d.isOpen(one) || d.isShared(one)
		}
	}
	isOpen := true
	for _, one := range d.all {
		if one.path.HasPrefix(known) && !d.mayHaveData {
			if d.isOpen(one) {
				return true
			}
			isOpen = false
		}
	}
	return isOpen
}

// isShared is true when the path of one document lies inside another's.
func (d *documents) isShared(one *document) bool {
	return slices.ContainsFunc(d.all, func(other *document) bool {
		return other != one && (other.path.HasPrefix(one.path) || one.path.HasPrefix(other.path))
	})
}

func isFunction(rule *ast.Rule) bool { return len(rule.Head.Args) > 0 }

// isEntrypoint is true for what the host asks for, and for all that lies above it.
func isEntrypoint(r *request, one *document) bool {
	path := strings.Join(pathParts(one.path), "/")
	return slices.ContainsFunc(r.Entrypoints, func(entrypoint string) bool {
		return entrypoint == path || strings.HasPrefix(entrypoint, path+"/") || strings.HasPrefix(path, entrypoint+"/")
	})
}

func pathParts(path ast.Ref) []string {
	parts := make([]string, 0, len(path))
	for _, part := range path[1:] {
		parts = append(parts, strings.Trim(part.String(), `"`))
	}
	return parts
}

func isInteger(number ast.Number) bool { return !strings.ContainsAny(string(number), ".eE") }

// isShortInteger is true for a value without fractions that is not too long to keep.
func isShortInteger(value ast.Value) bool {
	isFine := true
	ast.NewGenericVisitor(func(x any) bool {
		if number, isNumber := x.(ast.Number); isNumber && !isInteger(number) {
			isFine = false
		}
		return !isFine
	}).Walk(value)
	text, err := literal(ast.NewTerm(value))
	return isFine && err == nil && len(text) <= maxConstantBytes
}
