// Package usecases_test checks what all pages of docs/usecases have: links and
// names. What a page says of its program is checked with the program.
package usecases_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

var (
	link = regexp.MustCompile(`\]\(([^)#\s]+)`)
	name = regexp.MustCompile("`client\\.([A-Z]\\w*)(?:\\.([A-Z]\\w*))?`")
)

func TestPages(t *testing.T) {
	dir := filepath.Join(root, "docs", "usecases")
	pages, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil || len(pages) != 6 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	declared := declarations(t, filepath.Join(root, "httpapi", "client"))
	index, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(dir, match[1])); err != nil && !strings.Contains(match[1], "://") {
				t.Errorf("%s: the link %s leads nowhere", page, match[1])
			}
		}
		for _, match := range name.FindAllStringSubmatch(string(text), -1) {
			full := strings.TrimSuffix(match[1]+"."+match[2], ".")
			if !declared[full] {
				t.Errorf("%s: there is no client.%s", page, full)
			}
		}
		if base := filepath.Base(page); base != "README.md" && !strings.Contains(string(index), "]("+base+")") {
			t.Errorf("README.md does not lead to %s", base)
		}
	}
}

// declarations returns the exported names of a package: "F", "T", "T.Field",
// "T.Method".
func declarations(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				names[receiver(decl)+decl.Name.Name] = true
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					if spec, ok := spec.(*ast.TypeSpec); ok {
						names[spec.Name.Name] = true
						for _, field := range fields(spec) {
							names[spec.Name.Name+"."+field] = true
						}
					}
				}
			}
		}
	}
	return names
}

func receiver(decl *ast.FuncDecl) string {
	if decl.Recv == nil {
		return ""
	}
	kind := decl.Recv.List[0].Type
	if star, ok := kind.(*ast.StarExpr); ok {
		kind = star.X
	}
	return kind.(*ast.Ident).Name + "."
}

func fields(spec *ast.TypeSpec) (names []string) {
	if s, ok := spec.Type.(*ast.StructType); ok {
		for _, field := range s.Fields.List {
			for _, name := range field.Names {
				names = append(names, name.Name)
			}
		}
	}
	return names
}
