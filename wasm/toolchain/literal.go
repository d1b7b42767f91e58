package main

import (
	"bytes"
	"encoding/json"

	"github.com/open-policy-agent/opa/v1/ast"
)

// literal writes a value for opa_value_parse: JSON with sets and keys of any kind.
// ast.Value.String quotes as Go does, and the module cannot read \x7f or \U0001f600.
func literal(term *ast.Term) (string, error) {
	var buf bytes.Buffer
	err := writeLiteral(&buf, term)
	return buf.String(), err
}

func writeLiteral(buf *bytes.Buffer, term *ast.Term) error {
	switch value := term.Value.(type) {
	case *ast.Array:
		buf.WriteByte('[')
		for i := range value.Len() {
			separate(buf, i)
			if err := writeLiteral(buf, value.Elem(i)); err != nil {
				return err
			}
		}
		buf.WriteByte(']')
		return nil
	case ast.Set:
		if value.Len() == 0 {
			buf.WriteString("set()")
			return nil
		}
		buf.WriteByte('{')
		for i, element := range value.Slice() {
			separate(buf, i)
			if err := writeLiteral(buf, element); err != nil {
				return err
			}
		}
		buf.WriteByte('}')
		return nil
	case ast.Object:
		buf.WriteByte('{')
		for i, key := range value.Keys() {
			separate(buf, i)
			if err := writeLiteral(buf, key); err != nil {
				return err
			}
			buf.WriteByte(':')
			if err := writeLiteral(buf, value.Get(key)); err != nil {
				return err
			}
		}
		buf.WriteByte('}')
		return nil
	default:
		return writeScalar(buf, value)
	}
}

func writeScalar(buf *bytes.Buffer, value ast.Value) error {
	scalar, err := ast.JSON(value)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(scalar); err != nil {
		return err
	}
	// the encoder ends every value with a newline
	buf.Truncate(buf.Len() - 1)
	return nil
}

func separate(buf *bytes.Buffer, i int) {
	if i > 0 {
		buf.WriteByte(',')
	}
}
