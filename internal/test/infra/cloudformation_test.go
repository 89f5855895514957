package infra

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const folder = "../../../docs/infra/"

// A stack is the template of CloudFormation with values for its parameters.
type stack struct {
	t          *testing.T
	parameters map[string]any
	template   struct {
		Parameters map[string]struct {
			Default        any    `yaml:"Default"`
			AllowedValues  []any  `yaml:"AllowedValues"`
			MinValue       any    `yaml:"MinValue"`
			MaxValue       any    `yaml:"MaxValue"`
			AllowedPattern string `yaml:"AllowedPattern"`
		} `yaml:"Parameters"`
		Mappings   map[string]map[string]map[string]any `yaml:"Mappings"`
		Conditions map[string]value                     `yaml:"Conditions"`
		Resources  map[string]struct {
			Type       string `yaml:"Type"`
			Condition  string `yaml:"Condition"`
			Properties value  `yaml:"Properties"`
		} `yaml:"Resources"`
		Outputs map[string]struct {
			Condition string `yaml:"Condition"`
			Value     value  `yaml:"Value"`
		} `yaml:"Outputs"`
	}
}

// A value is a part of a template: a map, a list, a scalar, or the call of an
// intrinsic function.
type value struct{ any }

type call struct {
	function string
	argument any
}

func (v *value) UnmarshalYAML(node *yaml.Node) error {
	var err error
	v.any, err = convert(node)
	return err
}

func convert(node *yaml.Node) (any, error) {
	function, custom := strings.CutPrefix(node.Tag, "!")
	if custom = custom && !strings.HasPrefix(function, "!"); !custom {
		function = ""
	}
	var v any
	switch node.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i < len(node.Content); i += 2 {
			item, err := convert(node.Content[i+1])
			if err != nil {
				return nil, err
			}
			m[node.Content[i].Value] = item
		}
		v = m
	case yaml.SequenceNode:
		list := []any{}
		for _, content := range node.Content {
			item, err := convert(content)
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		v = list
	case yaml.ScalarNode:
		if custom {
			v = node.Value
		} else if err := node.Decode(&v); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("line %d: nothing that a template may have", node.Line)
	}
	if function != "" {
		return call{function, v}, nil
	}
	return v, nil
}

// newStack reads the template. Parameters that are not given have their defaults.
func newStack(t *testing.T, parameters map[string]any) *stack {
	t.Helper()
	text, err := os.ReadFile(folder + "cloudformation.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{t: t, parameters: map[string]any{}}
	if err := yaml.Unmarshal(text, &s.template); err != nil {
		t.Fatal(err)
	}
	for name, parameter := range s.template.Parameters {
		s.parameters[name] = parameter.Default
	}
	for name, v := range parameters {
		if _, ok := s.parameters[name]; !ok {
			t.Fatalf("there is no parameter %s", name)
		}
		s.parameters[name] = v
	}
	return s
}

// A resource is what is to be created. Properties are evaluated: what is known only
// after the creation is text that names it.
type resource struct {
	kind       string
	properties map[string]any
}

// resources returns the resources of the stack whose conditions are met, by their
// logical ids.
func (s *stack) resources() map[string]resource {
	s.t.Helper()
	all := map[string]resource{}
	for id, r := range s.template.Resources {
		if s.met(r.Condition) {
			properties, _ := s.eval(r.Properties.any).(map[string]any)
			all[id] = resource{r.Type, properties}
		}
	}
	for id, output := range s.template.Outputs {
		if s.met(output.Condition) && s.eval(output.Value.any) == nil {
			s.t.Errorf("output %s has no value", id)
		}
	}
	return all
}

func (s *stack) met(condition string) bool {
	return condition == "" || s.call("Condition", condition) == true
}

// absent is the value of AWS::NoValue.
type absent struct{}

func (s *stack) eval(v any) any {
	switch v := v.(type) {
	case call:
		return s.call(v.function, v.argument)
	case map[string]any:
		out := map[string]any{}
		for key, item := range v {
			if item = s.eval(item); item != (absent{}) {
				out[key] = item
			}
		}
		return out
	case []any:
		out := []any{}
		for _, item := range v {
			if item = s.eval(item); item != (absent{}) {
				out = append(out, item)
			}
		}
		return out
	case int:
		return float64(v)
	default:
		return v
	}
}

func (s *stack) call(function string, argument any) any {
	s.t.Helper()
	switch list, _ := argument.([]any); function {
	case "Ref":
		return s.ref(argument.(string))
	case "GetAtt":
		id, _, _ := strings.Cut(argument.(string), ".")
		s.wantResource(id)
		return argument
	case "Sub":
		return s.sub(argument)
	case "If":
		if s.met(list[0].(string)) {
			return s.eval(list[1])
		}
		return s.eval(list[2])
	case "Condition":
		condition, ok := s.template.Conditions[argument.(string)]
		if !ok {
			s.t.Fatalf("there is no condition %v", argument)
		}
		return s.eval(condition.any)
	case "Equals":
		return s.eval(list[0]) == s.eval(list[1])
	case "Not":
		return s.eval(list[0]) != true
	case "And":
		return !slices.ContainsFunc(list, func(v any) bool { return s.eval(v) != true })
	case "FindInMap":
		v, ok := s.template.Mappings[list[0].(string)][fmt.Sprint(s.eval(list[1]))][list[2].(string)]
		if !ok {
			s.t.Fatalf("nothing is mapped to %v", list)
		}
		return s.eval(v)
	default:
		s.t.Fatalf("there is no function %s here", function)
		return nil
	}
}

// ref returns the value of a parameter, or what Ref returns of a resource, for which
// its logical id stands.
func (s *stack) ref(name string) any {
	switch name {
	case "AWS::NoValue":
		return absent{}
	case "AWS::Region", "AWS::Partition", "AWS::AccountId":
		return name
	}
	if v, ok := s.parameters[name]; ok {
		return s.eval(v)
	}
	s.wantResource(name)
	return name
}

func (s *stack) wantResource(id string) {
	s.t.Helper()
	if r, ok := s.template.Resources[id]; !ok {
		s.t.Fatalf("there is no resource %s", id)
	} else if !s.met(r.Condition) {
		s.t.Fatalf("resource %s is referred to, and is not created", id)
	}
}

var placeholder = regexp.MustCompile(`\$\{([A-Za-z0-9:.]+)\}`)

func (s *stack) sub(argument any) string {
	text, variables := argument, map[string]any{}
	if list, ok := argument.([]any); ok {
		text, variables = list[0], list[1].(map[string]any)
	}
	return placeholder.ReplaceAllStringFunc(text.(string), func(match string) string {
		name := match[2 : len(match)-1]
		if v, ok := variables[name]; ok {
			return fmt.Sprint(s.eval(v))
		}
		if strings.Contains(name, ".") {
			return fmt.Sprint(s.call("GetAtt", name))
		}
		return fmt.Sprint(s.ref(name))
	})
}

// of returns the resources of a kind, by their logical ids.
func of(resources map[string]resource, kind string) map[string]resource {
	some := maps.Clone(resources)
	maps.DeleteFunc(some, func(_ string, r resource) bool { return r.kind != kind })
	return some
}

// at returns what is found in v by that path of keys, and indexes of lists.
func at(t *testing.T, v any, path ...string) any {
	t.Helper()
	for i, key := range path {
		switch parent := v.(type) {
		case map[string]any:
			v = parent[key]
		case []any:
			n, err := strconv.Atoi(key)
			if err != nil || n >= len(parent) {
				t.Fatalf("there is no %s in %v", strings.Join(path[:i+1], "."), parent)
			}
			v = parent[n]
		default:
			t.Fatalf("there is no %s, its parent is %v", strings.Join(path[:i+1], "."), parent)
		}
	}
	return v
}
