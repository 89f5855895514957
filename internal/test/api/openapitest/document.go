package openapitest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/bulkops/bulkops/httpapi"
)

// A document is the OpenAPI document with its schemas compiled.
type document struct {
	*openapi3.T
	mu       sync.Mutex
	compiler *jsonschema.Compiler
}

// load returns the document that httpapi serves.
var load = sync.OnceValues(func() (*document, error) {
	text := httpapi.OpenAPI()
	model, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	// The schemas are compiled where they stand in the document, so that they
	// mean what JSON Schema says and not what a model of them kept.
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	compiler.UseRegexpEngine(ecmaScript)
	if err := compiler.AddResource(resource, tree); err != nil {
		return nil, err
	}
	return &document{T: model, compiler: compiler}, nil
})

const resource = "openapi.json"

// ecmaScript compiles a pattern of the document. ECMAScript's \s has more
// characters than Go's. It stands in character classes only.
func ecmaScript(pattern string) (jsonschema.Regexp, error) {
	const space = `\t\n\v\f\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`
	re, err := regexp.Compile(strings.ReplaceAll(pattern, `\s`, space))
	return (*expression)(re), err
}

type expression regexp.Regexp

// maxMatched is more bytes than any text may have that the document has a pattern for.
// Longer ones match nothing, so that no time goes into bodies of many megabytes.
const maxMatched = 64 << 10

func (e *expression) MatchString(s string) bool {
	return len(s) <= maxMatched && (*regexp.Regexp)(e).MatchString(s)
}

func (e *expression) String() string { return (*regexp.Regexp)(e).String() }

// A place is a JSON pointer into the document, as a fragment.
type place string

const root place = "#"

// at returns the place of a member. If what stands there is a reference, its
// target is the place.
func (p place) at(ref string, keys ...string) place {
	if ref != "" {
		return place(ref)
	}
	for _, key := range keys {
		key = strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
		p += place("/" + url.PathEscape(key))
	}
	return p
}

// validate checks a value against the schema at a place.
func (d *document) validate(schema place, value any) error {
	d.mu.Lock()
	compiled, err := d.compiler.Compile(resource + string(schema))
	d.mu.Unlock()
	if err != nil {
		return fmt.Errorf("schema %s: %w", schema, err)
	}
	return compiled.Validate(value)
}

// component returns the place of a schema of the components.
func component(name string) place { return root.at("", "components", "schemas", name) }

// validateText checks the text of a parameter or header.
func (d *document) validateText(schema *openapi3.SchemaRef, at place, text string) error {
	var value any = text
	switch types := schema.Value.Type; {
	case types.Is("boolean"):
		if text != "true" && text != "false" {
			return fmt.Errorf("%q is not a boolean", text)
		}
		value = text == "true"
	case types.Is("integer"):
		n, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		value = n
	}
	return d.validate(at, value)
}

// An operation is one of the document's, and the arguments in a request's path.
type operation struct {
	*openapi3.Operation
	path   string // the template
	method string
	args   map[string]string
}

func (o *operation) place() place {
	return root.at("", "paths", o.path, strings.ToLower(o.method))
}

var (
	errNoPath   = errors.New("the document has no such path")
	errNoMethod = errors.New("the document has no such method of the path")
)

// apiRoot is where the API begins in a path, whatever prefix stands before it.
const apiRoot = "/v1/bulk/"

// find returns the operation of a request. HEAD is served wherever GET is.
func (d *document) find(method string, url *url.URL) (*operation, error) {
	path := url.EscapedPath()
	i := strings.Index(path, apiRoot)
	if i < 0 || i != strings.LastIndex(path, apiRoot) { // a path has it once
		return nil, errNoPath
	}
	path = path[i:]
	for template, item := range d.Paths.Map() {
		args, ok := match(template, path)
		if !ok {
			continue
		}
		if method == http.MethodHead {
			method = http.MethodGet
		}
		for name, op := range item.Operations() {
			if name == method {
				return &operation{Operation: op, path: template, method: method, args: args}, nil
			}
		}
		return &operation{path: template}, errNoMethod
	}
	return nil, errNoPath
}

// match matches an escaped path with a template of the document.
func match(template, path string) (args map[string]string, ok bool) {
	names, parts := strings.Split(template, "/"), strings.Split(path, "/")
	if len(names) != len(parts) {
		return nil, false
	}
	args = map[string]string{}
	for i, name := range names {
		if !strings.HasPrefix(name, "{") {
			if name != parts[i] {
				return nil, false
			}
			continue
		}
		arg, err := url.PathUnescape(parts[i])
		if err != nil || arg == "" {
			return nil, false
		}
		args[strings.Trim(name, "{}")] = arg
	}
	return args, true
}
