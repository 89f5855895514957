// Command recordprovider records what Terraform's provider for AWS knows of some kinds
// of resources and data: arguments, blocks, and what can be referred to. It reads the
// provider's bindings for TypeScript, which npm has; unpacked they have 436 MB, so that
// tests read what it has recorded. For those of hashicorp/aws 6.45.0:
//
//	npm pack @cdktn/provider-aws@24.1.0 && tar xzf cdktn-provider-aws-24.1.0.tgz
//	cd internal/test/infra
//	go run ./recordprovider PACKAGE/lib $(grep -hoE '^(resource|data) "[a-z0-9_]+"' ../../../docs/infra/terraform/*.tf |
//	  sed -E 's/^resource "//; s/^data "/data./; s/"//' | sort -u) >testdata/provider.json
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

type schema struct {
	Arguments map[string]argument `json:",omitempty"`
	Getters   []string            `json:",omitempty"`
}

type argument struct {
	Required bool `json:",omitempty"`
	Kind     string
}

var (
	interfaceOf = regexp.MustCompile(`(?ms)^export interface (\w+) (?:extends [\w.]+ )?\{\n(.*?)^\}`)
	memberOf    = regexp.MustCompile(`(?s)#(\w+) \w+#\w+\}.*?readonly \w+(\??): (\w+|\{)`)
	getterOf    = regexp.MustCompile(`(?m)^    get (\w+)\(\)`)
	wordBegins  = regexp.MustCompile(`([a-z])([A-Z])`)
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: recordprovider FOLDER KIND...")
		os.Exit(2)
	}
	kinds := map[string]map[string]schema{}
	for _, kind := range os.Args[2:] {
		all, err := schemas(os.Args[1], kind)
		if err != nil {
			fmt.Fprintf(os.Stderr, "recordprovider: the provider has no %s: %v\n", kind, err)
			os.Exit(1)
		}
		kinds[kind] = all
	}
	text, err := json.MarshalIndent(kinds, "", "\t")
	if err != nil {
		fmt.Fprintln(os.Stderr, "recordprovider:", err)
		os.Exit(1)
	}
	fmt.Printf("%s\n", text)
}

// schemas reads the declarations of a kind of resource, or of data. That of the
// resource itself has no name.
func schemas(bindings, kind string) (map[string]schema, error) {
	// sqs-queue, data-aws-region
	folder := strings.ReplaceAll(strings.TrimPrefix(strings.Replace(kind, "data.", "data_", 1), "aws_"), "_", "-")
	text, err := os.ReadFile(filepath.Join(bindings, folder, "index.d.ts"))
	if err != nil {
		return nil, err
	}
	all := map[string]schema{}
	for _, match := range interfaceOf.FindAllStringSubmatch(string(text), -1) {
		s := schema{Arguments: map[string]argument{}}
		for _, member := range memberOf.FindAllStringSubmatch(match[2], -1) {
			s.Arguments[member[1]] = argument{Required: member[2] == "", Kind: member[3]}
		}
		name := match[1]
		if strings.Contains(match[0], "TerraformMetaArguments {") {
			for _, getter := range getterOf.FindAllStringSubmatch(string(text), -1) {
				s.Getters = append(s.Getters, snake(getter[1]))
			}
			slices.Sort(s.Getters)
			s.Getters = slices.Compact(s.Getters)
			name = ""
		}
		all[name] = s
	}
	return all, nil
}

// snake returns a name of TypeScript as Terraform has it.
func snake(name string) string {
	return strings.ToLower(wordBegins.ReplaceAllString(name, "${1}_$2"))
}
