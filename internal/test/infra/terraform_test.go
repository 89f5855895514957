package infra

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// A configuration is the module of Terraform with values for its variables.
type configuration struct {
	t       *testing.T
	blocks  hclsyntax.Blocks
	context *hcl.EvalContext
}

// newConfiguration reads the module. Variables that are not given have their
// defaults.
func newConfiguration(t *testing.T, variables map[string]any) *configuration {
	t.Helper()
	c := &configuration{t: t, context: &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: functions}}
	names, err := filepath.Glob(folder + "terraform/*.tf")
	if err != nil || len(names) == 0 {
		t.Fatalf("there are no files: %v", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, diagnostics := hclsyntax.ParseConfig(text, name, hcl.InitialPos)
		c.want(diagnostics)
		c.blocks = append(c.blocks, file.Body.(*hclsyntax.Body).Blocks...)
	}
	c.setVariables(variables)
	c.context.Variables["path"] = object(map[string]cty.Value{"module": cty.StringVal(folder + "terraform")})
	// Counts need locals, and locals need resources, of which there is one each until
	// the counts are known.
	for range 2 {
		c.setReferences()
		c.setLocals()
	}
	return c
}

func (c *configuration) want(diagnostics hcl.Diagnostics) {
	c.t.Helper()
	if diagnostics.HasErrors() {
		c.t.Fatal(diagnostics)
	}
}

func object(m map[string]cty.Value) cty.Value {
	if len(m) == 0 {
		return cty.EmptyObjectVal
	}
	return cty.ObjectVal(m)
}

// all returns the blocks of a type.
func (c *configuration) all(kind string) hclsyntax.Blocks {
	return slices.DeleteFunc(slices.Clone(c.blocks), func(b *hclsyntax.Block) bool { return b.Type != kind })
}

func (c *configuration) setVariables(given map[string]any) {
	values := map[string]cty.Value{}
	for _, block := range c.all("variable") {
		v, diagnostics := block.Body.Attributes["default"].Expr.Value(nil)
		c.want(diagnostics)
		values[block.Labels[0]] = v
	}
	for name, v := range given {
		if _, ok := values[name]; !ok {
			c.t.Fatalf("there is no variable %s", name)
		}
		switch v := v.(type) {
		case string:
			values[name] = cty.StringVal(v)
		case int:
			values[name] = cty.NumberIntVal(int64(v))
		}
	}
	c.context.Variables["var"] = object(values)
}

// setReferences gives each attribute of a resource that is referred to a value: text
// that names it.
func (c *configuration) setReferences() {
	resources := c.resourceValues("resource", "")
	for kind, v := range resources {
		c.context.Variables[kind] = v
	}
	c.context.Variables["data"] = object(c.resourceValues("data", "data."))
}

func (c *configuration) resourceValues(blockType, prefix string) map[string]cty.Value {
	kinds := map[string]map[string]cty.Value{}
	for _, block := range c.all(blockType) {
		address := prefix + block.Labels[0] + "." + block.Labels[1]
		attributes := map[string]cty.Value{}
		for attribute := range c.references(address) {
			attributes[attribute] = cty.StringVal(address + "." + attribute)
		}
		v := object(attributes)
		if count, ok := c.count(block); ok {
			v = cty.TupleVal(slices.Repeat([]cty.Value{v}, count))
		}
		if kinds[block.Labels[0]] == nil {
			kinds[block.Labels[0]] = map[string]cty.Value{}
		}
		kinds[block.Labels[0]][block.Labels[1]] = v
	}
	values := map[string]cty.Value{}
	for kind, names := range kinds {
		values[kind] = object(names)
	}
	return values
}

// count returns how many there are of a resource, if it says so.
func (c *configuration) count(block *hclsyntax.Block) (int, bool) {
	attribute, ok := block.Body.Attributes["count"]
	if !ok || c.context.Variables["local"] == cty.NilVal {
		return 1, ok
	}
	return int(c.value(attribute.Expr, c.context).(float64)), true
}

// references returns the attributes of a resource that the module refers to.
func (c *configuration) references(address string) map[string]bool {
	attributes := map[string]bool{}
	for _, block := range c.blocks {
		_ = hclsyntax.VisitAll(block.Body, func(node hclsyntax.Node) hcl.Diagnostics {
			switch node := node.(type) {
			case *hclsyntax.ScopeTraversalExpr:
				if rest, ok := strings.CutPrefix(text(node.Traversal), address+"."); ok {
					attributes[strings.Split(rest, ".")[0]] = true
				}
			case *hclsyntax.SplatExpr:
				source, ok := node.Source.(*hclsyntax.ScopeTraversalExpr)
				each, ok2 := node.Each.(*hclsyntax.RelativeTraversalExpr)
				if ok && ok2 && text(source.Traversal) == address {
					attributes[strings.Split(text(each.Traversal), ".")[0]] = true
				}
			}
			return nil
		})
	}
	return attributes
}

// text returns the names of a traversal, without indexes.
func text(traversal hcl.Traversal) string {
	var names []string
	for _, step := range traversal {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			names = append(names, step.Name)
		case hcl.TraverseAttr:
			names = append(names, step.Name)
		}
	}
	return strings.Join(names, ".")
}

// setLocals evaluates the locals, those that others need first.
func (c *configuration) setLocals() {
	open := map[string]hclsyntax.Expression{}
	for _, block := range c.all("locals") {
		for name, attribute := range block.Body.Attributes {
			open[name] = attribute.Expr
		}
	}
	values := map[string]cty.Value{}
	for len(open) > 0 {
		var wrong hcl.Diagnostics
		before := len(open)
		c.context.Variables["local"] = object(values)
		for name, expr := range open {
			v, diagnostics := expr.Value(c.context)
			if diagnostics.HasErrors() {
				wrong = diagnostics
				continue
			}
			values[name] = v
			delete(open, name)
		}
		if len(open) == before {
			c.want(wrong)
		}
	}
	c.context.Variables["local"] = object(values)
}

// resources returns the resources and data that are to be created or read, by their
// addresses.
func (c *configuration) resources() map[string]resource {
	c.t.Helper()
	all := map[string]resource{}
	for _, block := range c.blocks {
		switch block.Type {
		case "resource", "data":
			address := strings.Join(block.Labels, ".")
			if block.Type == "data" {
				address = "data." + address
			}
			if count, _ := c.count(block); count > 0 {
				body := c.body(block.Body, c.context)
				delete(body, "count")
				all[address] = resource{block.Labels[0], body}
			}
		case "output":
			c.body(block.Body, c.context)
		}
	}
	return all
}

// body evaluates attributes and blocks; the blocks of a name are a list.
func (c *configuration) body(body *hclsyntax.Body, context *hcl.EvalContext) map[string]any {
	c.t.Helper()
	out := map[string]any{}
	for name, attribute := range body.Attributes {
		if name != "depends_on" {
			if v := c.value(attribute.Expr, context); v != nil {
				out[name] = v
			}
		}
	}
	add := func(name string, v map[string]any) {
		list, _ := out[name].([]any)
		out[name] = append(list, v)
	}
	for _, block := range body.Blocks {
		if block.Type != "dynamic" {
			add(block.Type, c.body(block.Body, context))
			continue
		}
		each, diagnostics := block.Body.Attributes["for_each"].Expr.Value(context)
		c.want(diagnostics)
		for key, v := range each.Elements() {
			child := context.NewChild()
			child.Variables = map[string]cty.Value{block.Labels[0]: object(map[string]cty.Value{"key": key, "value": v})}
			add(block.Labels[0], c.body(block.Body.Blocks[0].Body, child))
		}
	}
	return out
}

func (c *configuration) value(expr hclsyntax.Expression, context *hcl.EvalContext) any {
	c.t.Helper()
	v, diagnostics := expr.Value(context)
	c.want(diagnostics)
	return c.plain(v)
}

// plain returns a value as encoding/json decodes it.
func (c *configuration) plain(v cty.Value) any {
	c.t.Helper()
	text, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		c.t.Fatal(err)
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		c.t.Fatal(err)
	}
	return plain
}

// functions are those of Terraform's that the module calls.
var functions = map[string]function.Function{
	"can":        tryfunc.CanFunc,
	"contains":   stdlib.ContainsFunc,
	"jsonencode": stdlib.JSONEncodeFunc,
	"merge":      stdlib.MergeFunc,
	"one": function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			for _, v := range args[0].Elements() {
				return v, nil
			}
			return cty.NullVal(cty.String), nil
		},
	}),
	"regex": stdlib.RegexFunc,
	"templatefile": function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "path", Type: cty.String},
			{Name: "vars", Type: cty.DynamicPseudoType},
		},
		Type: function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path := args[0].AsString()
			text, err := os.ReadFile(path)
			if err != nil {
				return cty.NilVal, err
			}
			template, diagnostics := hclsyntax.ParseTemplate(text, path, hcl.InitialPos)
			if diagnostics.HasErrors() {
				return cty.NilVal, diagnostics
			}
			v, diagnostics := template.Value(&hcl.EvalContext{Variables: args[1].AsValueMap()})
			if diagnostics.HasErrors() {
				return cty.NilVal, diagnostics
			}
			return v, nil
		},
	}),
}
