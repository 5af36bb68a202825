// Command symbols answers whether the linker's -X can set variables: it ignores, without a word, what is no variable of
// type string with a constant value, or none. A request is JSON on stdin, [{"files": […], "names": […]}, …]; the answer
// a list of maps from name to problem, "" for a good one. Files are those that the package is compiled from.
package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
)

type request struct {
	Files []string `json:"files"`
	Names []string `json:"names"`
}

func main() {
	var requests []request
	if err := json.NewDecoder(os.Stdin).Decode(&requests); err != nil {
		fmt.Fprintln(os.Stderr, "symbols: bad request:", err)
		os.Exit(2)
	}
	answers := make([]map[string]string, len(requests))
	for i, each := range requests {
		declared := declarations(each.Files)
		answers[i] = map[string]string{}
		for _, name := range each.Names {
			problem, ok := declared[name]
			if !ok {
				problem = "is not declared there"
			}
			answers[i][name] = problem
		}
	}
	json.NewEncoder(os.Stdout).Encode(answers)
}

// declarations gives each name that a package declares, with why it cannot be set.
func declarations(files []string) map[string]string {
	found := map[string]string{}
	set := token.NewFileSet()
	for _, file := range files {
		parsed, _ := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
		if parsed == nil {
			continue
		}
		place := func(node ast.Node) string {
			return fmt.Sprintf("(%s:%d)", filepath.Base(file), set.Position(node.Pos()).Line)
		}
		for _, declaration := range parsed.Decls {
			switch it := declaration.(type) {
			case *ast.FuncDecl:
				if it.Recv == nil {
					found[it.Name.Name] = "is a function " + place(it)
				}
			case *ast.GenDecl:
				for _, spec := range it.Specs {
					note(found, it.Tok, spec, place(spec))
				}
			}
		}
	}
	return found
}

func note(found map[string]string, kind token.Token, spec ast.Spec, place string) {
	switch it := spec.(type) {
	case *ast.TypeSpec:
		found[it.Name.Name] = "is a type " + place
	case *ast.ValueSpec:
		for i, name := range it.Names {
			problem := ""
			if kind == token.CONST {
				problem = "is a constant"
			} else if it.Type != nil && !isNamed(it.Type, "string") {
				problem = "is not of type string"
			} else if i < len(it.Values) {
				problem = valueProblem(it.Values[i])
			} else if len(it.Values) > 0 {
				problem = "gets its value from a call"
			} else if it.Type == nil {
				problem = "has no type"
			}
			if problem != "" {
				problem += " " + place
			}
			found[name.Name] = problem
		}
	}
}

// valueProblem says why a variable's value cannot be replaced: names may stand for constants, which only the compiler knows.
func valueProblem(value ast.Expr) string {
	switch it := value.(type) {
	case *ast.BasicLit:
		if it.Kind != token.STRING {
			return "is not of type string"
		}
	case *ast.BinaryExpr:
		if problem := valueProblem(it.X); problem != "" {
			return problem
		}
		return valueProblem(it.Y)
	case *ast.ParenExpr:
		return valueProblem(it.X)
	case *ast.Ident:
		if it.Name == "true" || it.Name == "false" || it.Name == "nil" {
			return "is not of type string"
		}
	case *ast.SelectorExpr:
	case *ast.CallExpr:
		if isNamed(it.Fun, "string") && len(it.Args) == 1 {
			return valueProblem(it.Args[0])
		}
		return "gets its value from a call"
	default:
		return "has a value that is not a constant string"
	}
	return ""
}

func isNamed(expression ast.Expr, name string) bool {
	identifier, ok := expression.(*ast.Ident)
	return ok && identifier.Name == name
}
