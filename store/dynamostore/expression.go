package dynamostore

import (
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// An expression collects the names and values of the expressions of one call. The
// text of an expression only has short placeholders for them, so that names can
// contain anything. The zero value is empty.
type expression struct {
	names  map[string]string               // by placeholder
	values map[string]types.AttributeValue // by placeholder
	known  map[string]string               // placeholders by name
}

// name returns the placeholder of a name.
func (e *expression) name(name string) string {
	if placeholder, ok := e.known[name]; ok {
		return placeholder
	}
	if e.names == nil {
		e.names, e.known = make(map[string]string), make(map[string]string)
	}
	placeholder := "#" + strconv.FormatInt(int64(len(e.names)), 36)
	e.names[placeholder] = name
	e.known[name] = placeholder
	return placeholder
}

// value returns the placeholder of a value.
func (e *expression) value(value types.AttributeValue) string {
	if e.values == nil {
		e.values = make(map[string]types.AttributeValue)
	}
	placeholder := ":" + strconv.FormatInt(int64(len(e.values)), 36)
	e.values[placeholder] = value
	return placeholder
}
