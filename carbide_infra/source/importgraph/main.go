// Command importgraph answers which files of a Go source tree each package's CGO_ENABLED=0 binary is made of.
//
// It reads a request as JSON on stdin and writes an answer as JSON on stdout. It needs no network and no module
// cache: a package outside the tree is not followed. go/build itself decides which files a platform selects; only
// the mapping from import path to folder and the matching of embed patterns are written here, after cmd/go's rules.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"go/build"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

type request struct {
	Root      string   `json:"root"`      // absolute, free of symbolic links
	Go        string   `json:"go"`        // the go command
	Module    string   `json:"module"`    // folder of the main module's go.mod, below Root
	Work      string   `json:"work"`      // folder of the go.work that holds, below Root; empty: none
	Tags      []string `json:"tags"`      // build tags
	Packages  []string `json:"packages"`  // folders below Root, slash-separated
	Platforms []string `json:"platforms"` // os/arch[/variant]
	GoVersion string   `json:"goVersion"` // whose go1.N tags hold; empty: this program's
}

type answer struct {
	Error    string           `json:"error,omitempty"`
	Files    []string         `json:"files"`    // every file any package is made of
	Packages map[string][]int `json:"packages"` // package to indices into Files
	// What the answer was derived from: it stays right for as long as these do.
	Listings map[string]map[string]string `json:"listings"` // folder to its names and their kinds; null: no such folder
	Reads    map[string]*string           `json:"reads"`    // file to the SHA-256 of its content; null: unreadable
}

func main() {
	var ask request
	if err := json.NewDecoder(os.Stdin).Decode(&ask); err != nil {
		fmt.Fprintln(os.Stderr, "importgraph: bad request:", err)
		os.Exit(2)
	}
	reply, err := respond(ask)
	if err != nil {
		reply = &answer{Error: err.Error()}
	}
	if err := json.NewEncoder(os.Stdout).Encode(reply); err != nil {
		fmt.Fprintln(os.Stderr, "importgraph:", err)
		os.Exit(1)
	}
}

func respond(ask request) (*answer, error) {
	tree := &tree{root: ask.Root, listings: map[string]map[string]string{}, contents: map[string][]byte{}}
	layout, err := readLayout(tree, ask)
	if err != nil {
		return nil, err
	}
	graphs := make([]*graph, len(ask.Platforms))
	errs := make([]error, len(ask.Platforms))
	var group sync.WaitGroup
	for i, platform := range ask.Platforms {
		group.Add(1)
		go func(i int, platform string) {
			defer group.Done()
			graphs[i], errs[i] = readGraph(tree, layout, platform, ask)
		}(i, platform)
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return assemble(tree, layout, graphs, ask.Packages), nil
}

func assemble(tree *tree, layout *layout, graphs []*graph, packages []string) *answer {
	index, files := map[string]int{}, []string{}
	number := func(file string) int {
		n, ok := index[file]
		if !ok {
			n = len(files)
			index[file], files = n, append(files, file)
		}
		return n
	}
	reply := &answer{Packages: map[string][]int{}, Listings: tree.listings, Reads: map[string]*string{}}
	for _, pkg := range packages {
		chosen := map[int]bool{}
		for _, file := range layout.files {
			chosen[number(file)] = true
		}
		for _, graph := range graphs {
			for _, file := range graph.reachable(pkg) {
				chosen[number(file)] = true
			}
		}
		numbers := make([]int, 0, len(chosen))
		for n := range chosen {
			numbers = append(numbers, n)
		}
		sort.Ints(numbers)
		reply.Packages[pkg] = numbers
	}
	reply.Files = files
	for file, content := range tree.contents {
		reply.Reads[file] = digest(content)
	}
	return reply
}

func digest(content []byte) *string {
	if content == nil {
		return nil
	}
	sum := sha256.Sum256(content)
	text := hex.EncodeToString(sum[:])
	return &text
}

// ---- The tree: every look at the file system is remembered, because the answer may be reused while all stay true.

type tree struct {
	root     string
	lock     sync.Mutex
	listings map[string]map[string]string // nil value: no such folder
	contents map[string][]byte            // nil value: unreadable
}

// list gives the names in a folder with their kinds: f(ile), d(irectory) or o(ther), with an l before it for a symbolic
// link to one.
func (t *tree) list(dir string) map[string]string {
	dir = path.Clean(dir)
	t.lock.Lock()
	entries, known := t.listings[dir]
	t.lock.Unlock()
	if known {
		return entries
	}
	found, err := os.ReadDir(filepath.Join(t.root, dir))
	if err == nil {
		entries = make(map[string]string, len(found))
		for _, entry := range found {
			if utf8.ValidString(entry.Name()) { // JSON could not name the others
				entries[entry.Name()] = t.kind(dir, entry)
			}
		}
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	t.listings[dir] = entries
	return entries
}

func (t *tree) kind(dir string, entry fs.DirEntry) string {
	mode, prefix := entry.Type(), ""
	if mode&fs.ModeSymlink != 0 {
		prefix = "l"
		info, err := os.Stat(filepath.Join(t.root, dir, entry.Name()))
		if err != nil {
			return "lo"
		}
		mode = info.Mode()
	}
	switch {
	case mode.IsDir():
		return prefix + "d"
	case mode.IsRegular():
		return prefix + "f"
	}
	return prefix + "o"
}

// lookup gives the kind of one path, or "" where nothing is there.
func (t *tree) lookup(file string) string { return t.list(path.Dir(file))[path.Base(file)] }

func (t *tree) isFile(file string) bool { return strings.TrimPrefix(t.lookup(file), "l") == "f" }

func (t *tree) read(file string) ([]byte, error) {
	t.lock.Lock()
	content, known := t.contents[file]
	t.lock.Unlock()
	if !known {
		// A named pipe would block for ever, so only a regular file is opened.
		name := filepath.Join(t.root, file)
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			if data, err := os.ReadFile(name); err == nil {
				content = append([]byte{}, data...)
			}
		}
		t.lock.Lock()
		t.contents[file] = content
		t.lock.Unlock()
	}
	if content == nil {
		return nil, fmt.Errorf("%s: cannot be read", file)
	}
	return content, nil
}

// inside gives dir relative to the root; false if it is not below the root.
func (t *tree) inside(dir string) (string, bool) {
	clean := path.Clean(filepath.ToSlash(dir))
	return clean, clean != ".." && !strings.HasPrefix(clean, "../") && !path.IsAbs(clean)
}

// ---- The layout: which module lives in which folder.

type module struct{ path, dir string }

type layout struct {
	modules []module
	vendor  string   // the vendor folder, where the build reads it, else empty
	files   []string // what every build reads: go.mod, go.sum, go.work, …
}

type goMod struct {
	Module  struct{ Path string }
	Go      string
	Require []struct{ Path, Version string }
	Replace []replacement
	Use     []struct{ DiskPath string } // go.work only
}

type replacement struct {
	Old, New struct{ Path, Version string }
}

func readLayout(tree *tree, ask request) (*layout, error) {
	layout, dirs, goVersion, base := &layout{}, []string{ask.Module}, "", ask.Module
	work, workFile := &goMod{}, path.Join(ask.Work, "go.work")
	workspace := ask.Work != ""
	if workspace {
		var err error
		if work, err = edit(tree, ask.Go, "work", workFile); err != nil {
			return nil, err
		}
		if dirs, err = usedFolders(tree, ask.Work, work); err != nil {
			return nil, err
		}
		goVersion, base = work.Go, ask.Work
		layout.keep(tree, workFile, path.Join(ask.Work, "go.work.sum"))
	}

	mods := map[string]*goMod{}
	for _, dir := range dirs {
		mod, err := edit(tree, ask.Go, "mod", path.Join(dir, "go.mod"))
		if err != nil {
			return nil, err
		}
		mods[dir] = mod
		layout.modules = append(layout.modules, module{mod.Module.Path, dir})
		layout.keep(tree, path.Join(dir, "go.mod"), path.Join(dir, "go.sum"))
		if !workspace {
			goVersion = mod.Go
		}
	}
	layout.vendor = vendored(tree, base, goVersion, workspace)
	if list := path.Join(layout.vendor, "modules.txt"); layout.vendor != "" && tree.isFile(list) {
		layout.keep(tree, list)
		return layout, nil // the vendor folder holds copies of the replaced modules; their own folders are not read
	}
	if err := layout.replace(tree, workFile, ask.Work, work.Replace, mods); err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		if err := layout.replace(tree, path.Join(dir, "go.mod"), dir, mods[dir].Replace, mods); err != nil {
			return nil, err
		}
	}
	return layout, nil
}

func (l *layout) keep(tree *tree, files ...string) {
	for _, file := range files {
		if tree.isFile(file) {
			l.files = append(l.files, file)
		}
	}
}

func usedFolders(tree *tree, base string, work *goMod) ([]string, error) {
	var dirs []string
	for _, use := range work.Use {
		dir, ok := tree.inside(path.Join(base, filepath.ToSlash(use.DiskPath)))
		if filepath.IsAbs(use.DiskPath) || !ok {
			return nil, fmt.Errorf("go.work: \"use %s\" points outside the source tree, which the build context cannot hold: move the module below the root", use.DiskPath)
		}
		if !tree.isFile(path.Join(dir, "go.mod")) {
			return nil, fmt.Errorf("go.work: \"use %s\", but %s does not exist", use.DiskPath, path.Join(dir, "go.mod"))
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

func (l *layout) replace(tree *tree, file, base string, replaces []replacement, mods map[string]*goMod) error {
	for _, r := range replaces {
		if r.New.Version != "" {
			continue // another version of a published module, not a folder
		}
		dir, ok := tree.inside(path.Join(base, filepath.ToSlash(r.New.Path)))
		if filepath.IsAbs(r.New.Path) || !ok {
			if required(r, mods) {
				return fmt.Errorf("%s: \"replace %s => %s\" points outside the source tree, which the build context cannot hold: move the module below the root, or vendor it", file, r.Old.Path, r.New.Path)
			}
			continue // a leftover that no build reads
		}
		l.modules = append(l.modules, module{r.Old.Path, dir})
		l.keep(tree, path.Join(dir, "go.mod"))
	}
	return nil
}

// required: the replacement is for a module, in the version, that a go.mod asks for. Before Go 1.17 a go.mod did not
// list what its requirements require.
func required(r replacement, mods map[string]*goMod) bool {
	for _, mod := range mods {
		if !atLeast(mod.Go, 17) {
			return true
		}
		for _, need := range mod.Require {
			if need.Path == r.Old.Path && (r.Old.Version == "" || r.Old.Version == need.Version) {
				return true
			}
		}
	}
	return false
}

// vendored gives the vendor folder that a build reads; it follows cmd/go's setDefaultBuildMod.
func vendored(tree *tree, base, goVersion string, workspace bool) string {
	vendor := path.Join(base, "vendor")
	if kind := tree.lookup(vendor); kind != "d" && kind != "ld" || !atLeast(goVersion, 14) {
		return ""
	}
	list, _ := tree.read(path.Join(vendor, "modules.txt"))
	first, _, _ := strings.Cut(string(list), "\n")
	forWorkspace := false
	if notes, ok := strings.CutPrefix(first, "## "); ok {
		for _, note := range strings.Split(notes, ";") {
			forWorkspace = forWorkspace || strings.TrimSpace(note) == "workspace"
		}
	}
	if forWorkspace != workspace {
		return ""
	}
	return vendor
}

func atLeast(goVersion string, minor int) bool {
	n, ok := minorOf(goVersion)
	return ok && n >= minor
}

// minorOf gives 25 for "1.25", "1.25.4" and "1.25rc1".
func minorOf(goVersion string) (int, bool) {
	match := regexp.MustCompile(`^1\.(\d+)`).FindStringSubmatch(goVersion)
	if match == nil {
		return 0, false
	}
	n, err := strconv.Atoi(match[1])
	return n, err == nil
}

func edit(tree *tree, goCommand, what, file string) (*goMod, error) {
	content, err := tree.read(file)
	if err != nil {
		return nil, err
	}
	// A copy is parsed, so that the answer is about the content whose digest is reported.
	copied, err := os.CreateTemp("", "importgraph-*-go."+what)
	if err != nil {
		return nil, err
	}
	defer os.Remove(copied.Name())
	if _, err = copied.Write(content); err == nil {
		err = copied.Close()
	}
	if err != nil {
		return nil, err
	}
	var out, complaint bytes.Buffer
	command := exec.Command(goCommand, what, "edit", "-json", copied.Name())
	command.Dir, command.Stdout, command.Stderr = os.TempDir(), &out, &complaint
	if err := command.Run(); err != nil {
		text := strings.ReplaceAll(strings.TrimSpace(complaint.String()), copied.Name(), file)
		text = strings.ReplaceAll(text, filepath.Base(copied.Name()), path.Base(file))
		if heading, rest, ok := strings.Cut(text, ":\n"); ok && strings.HasPrefix(heading, "go: errors parsing") {
			text = rest
		}
		return nil, fmt.Errorf("%s cannot be parsed: %s", file, text)
	}
	mod := &goMod{}
	return mod, json.Unmarshal(out.Bytes(), mod)
}

// owners gives the folders that may hold an import path. Two is an error that the build reports, so both belong.
func (l *layout) owners(tree *tree, importPath string) []string {
	var dirs []string
	for _, module := range l.modules {
		if dir, ok := module.folder(importPath); ok && !crossesModule(tree, module.dir, dir) && hasGo(tree, dir) {
			dirs = append(dirs, dir)
		}
	}
	if dir := path.Join(l.vendor, importPath); l.vendor != "" && hasGo(tree, dir) {
		dirs = append(dirs, dir)
	}
	return dirs
}

func (m module) folder(importPath string) (string, bool) {
	if importPath == m.path {
		return m.dir, true
	}
	rest, ok := strings.CutPrefix(importPath, m.path+"/")
	return path.Join(m.dir, rest), ok
}

// crossesModule: another module begins between a module's root and one of its folders.
func crossesModule(tree *tree, root, dir string) bool {
	for ; dir != root && dir != "."; dir = path.Dir(dir) {
		if tree.isFile(path.Join(dir, "go.mod")) {
			return true
		}
	}
	return false
}

// holds reports whether a folder belongs to a module of this build.
func (l *layout) holds(tree *tree, dir string) bool {
	for _, module := range l.modules {
		below := module.dir == "." || dir == module.dir || strings.HasPrefix(dir, module.dir+"/")
		if below && !crossesModule(tree, module.dir, dir) {
			return true
		}
	}
	return false
}

func hasGo(tree *tree, dir string) bool {
	for name, kind := range tree.list(dir) {
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(kind, "d") {
			return true
		}
	}
	return false
}

// ---- The graph: packages of one platform, their files and their imports.

type unit struct {
	files   []string
	imports []string // folders
}

type graph struct {
	tree    *tree
	layout  *layout
	context build.Context
	units   map[string]*unit
}

func readGraph(tree *tree, layout *layout, platform string, ask request) (*graph, error) {
	context, err := contextOf(tree, platform, ask.GoVersion)
	if err != nil {
		return nil, err
	}
	context.BuildTags = ask.Tags
	g := &graph{tree, layout, context, map[string]*unit{}}
	for _, pkg := range ask.Packages {
		if !layout.holds(tree, pkg) {
			return nil, fmt.Errorf("package ./%s belongs to no module of this build (nearest go.mod: %s): add a \"use\" line for that module to go.work", pkg, nearestMod(tree, pkg))
		}
		if err := g.follow(pkg); err != nil {
			return nil, err
		}
		if len(g.units[pkg].files) == 0 {
			return nil, fmt.Errorf("package ./%s has no Go files for %s: its build constraints exclude them all", pkg, platform)
		}
		// The go command reads a main package's profile by default (-pgo=auto).
		if profile := path.Join(pkg, "default.pgo"); tree.isFile(profile) {
			g.units[pkg].files = append(g.units[pkg].files, profile)
		}
	}
	return g, nil
}

func nearestMod(tree *tree, dir string) string {
	for {
		if file := path.Join(dir, "go.mod"); dir == "." || tree.isFile(file) {
			return file
		}
		dir = path.Dir(dir)
	}
}

// follow reads a package and all that it imports.
func (g *graph) follow(start string) error {
	for queue := []string{start}; len(queue) > 0; {
		dir := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if g.units[dir] != nil {
			continue
		}
		unit, err := g.read(dir)
		if err != nil {
			return err
		}
		g.units[dir] = unit
		queue = append(queue, unit.imports...)
	}
	return nil
}

func (g *graph) reachable(start string) []string {
	var files []string
	seen, queue := map[string]bool{start: true}, []string{start}
	for len(queue) > 0 {
		unit := g.units[queue[len(queue)-1]]
		queue = queue[:len(queue)-1]
		files = append(files, unit.files...)
		for _, dir := range unit.imports {
			if !seen[dir] {
				seen[dir], queue = true, append(queue, dir)
			}
		}
	}
	return files
}

func (g *graph) read(dir string) (*unit, error) {
	// An error here is one that the compiler will report from the same files, so what was found is enough.
	pkg, _ := g.context.ImportDir(filepath.Join(g.tree.root, dir), 0)
	unit := &unit{}
	for _, names := range [][]string{
		pkg.GoFiles, pkg.InvalidGoFiles, pkg.SFiles, pkg.SysoFiles,
		pkg.CFiles, pkg.CXXFiles, pkg.MFiles, pkg.FFiles, pkg.SwigFiles, pkg.SwigCXXFiles, // the compiler names and refuses these
	} {
		for _, name := range names {
			unit.files = append(unit.files, path.Join(dir, name))
		}
	}
	for _, name := range pkg.SFiles {
		unit.files = append(unit.files, g.included(dir, path.Join(dir, name), map[string]bool{})...)
	}
	for _, pattern := range pkg.EmbedPatterns {
		files, err := embedded(g.tree, dir, pattern)
		if err != nil {
			return nil, fmt.Errorf("./%s: //go:embed %s: %w", dir, pattern, err)
		}
		unit.files = append(unit.files, files...)
	}
	for _, imported := range pkg.Imports {
		unit.imports = append(unit.imports, g.layout.owners(g.tree, imported)...)
	}
	return unit, nil
}

var includeLine = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*include[ \t]+"([^"\n]+)"`)

// included gives the headers that an assembly file reads, through any number of levels.
func (g *graph) included(pkg, file string, seen map[string]bool) []string {
	content, _ := g.tree.read(file)
	var files []string
	for _, match := range includeLine.FindAllSubmatch(content, -1) {
		for _, base := range []string{path.Dir(file), pkg} {
			header, ok := g.tree.inside(path.Join(base, string(match[1])))
			if ok && !seen[header] && g.tree.isFile(header) {
				seen[header] = true
				files = append(append(files, header), g.included(pkg, header, seen)...)
			}
		}
	}
	return files
}

// ---- go/build's view of one platform.

func contextOf(tree *tree, platform, goVersion string) (build.Context, error) {
	parts := append(strings.Split(platform, "/"), "")
	context := build.Default
	context.GOOS, context.GOARCH = parts[0], parts[1]
	context.CgoEnabled, context.Compiler, context.GOPATH = false, "gc", ""
	context.BuildTags, context.InstallSuffix = nil, ""
	context.ToolTags = featureTags(context.GOARCH, parts[2])
	for _, tag := range build.Default.ToolTags {
		if strings.HasPrefix(tag, "goexperiment.") {
			context.ToolTags = append(context.ToolTags, tag)
		}
	}
	if goVersion != "" {
		minor, ok := minorOf(goVersion)
		if !ok {
			return context, fmt.Errorf("Go version %q is not understood: write it like 1.25 or 1.25.4", goVersion)
		}
		context.ReleaseTags = nil
		for n := 1; n <= minor; n++ {
			context.ReleaseTags = append(context.ReleaseTags, fmt.Sprintf("go1.%d", n))
		}
	}
	context.ReadDir = func(dir string) ([]fs.FileInfo, error) { return relevant(tree, dir) }
	context.OpenFile = func(file string) (io.ReadCloser, error) {
		rel, err := filepath.Rel(tree.root, file)
		if err != nil {
			return nil, err
		}
		content, err := tree.read(filepath.ToSlash(rel))
		return io.NopCloser(bytes.NewReader(content)), err
	}
	return context, nil
}

// featureTags: what `go help buildconstraint` calls architecture features, at the go command's defaults.
func featureTags(arch, variant string) []string {
	var tags []string
	upTo := func(format string, first, last, fallback int) {
		if n, err := strconv.Atoi(strings.TrimPrefix(variant, "v")); err == nil {
			last = n
		} else {
			last = fallback
		}
		for n := first; n <= last; n++ {
			tags = append(tags, fmt.Sprintf(format, n))
		}
	}
	switch arch {
	case "amd64":
		upTo("amd64.v%d", 1, 1, 1)
	case "arm":
		upTo("arm.%d", 5, 7, 7)
	case "arm64":
		tags = append(tags, "arm64.v8.0")
	case "386":
		tags = append(tags, "386.sse2")
	case "ppc64", "ppc64le":
		tags = append(tags, arch+".power8")
	case "riscv64":
		tags = append(tags, "riscv64.rva20u64")
	case "mips", "mipsle", "mips64", "mips64le":
		tags = append(tags, arch+".hardfloat")
	}
	return tags
}

// relevant lists what can be part of a build: a test, a note or an asset is not even opened.
func relevant(tree *tree, dir string) ([]fs.FileInfo, error) {
	rel, err := filepath.Rel(tree.root, dir)
	if err != nil {
		return nil, err
	}
	entries := tree.list(filepath.ToSlash(rel))
	infos := make([]fs.FileInfo, 0, len(entries))
	for name, kind := range entries {
		if (kind == "f" || kind == "lf") && buildable(name) {
			infos = append(infos, named{name: name})
		}
	}
	sort.Slice(infos, func(i, j int) bool { return infos[i].Name() < infos[j].Name() })
	return infos, nil
}

func buildable(name string) bool {
	switch path.Ext(name) {
	case ".go":
		return !strings.HasSuffix(name, "_test.go")
	case ".s", ".syso", ".c", ".cc", ".cpp", ".cxx", ".m", ".f", ".F", ".for", ".f90", ".swig", ".swigcxx":
		return true
	}
	return false
}

// named is a file of which only the name matters: a symbolic link counts as the file it leads to.
type named struct {
	fs.FileInfo
	name string
}

func (n named) Name() string      { return n.name }
func (n named) IsDir() bool       { return false }
func (n named) Mode() fs.FileMode { return 0 }

// ---- Embedded files, after cmd/go's resolveEmbed.

func embedded(tree *tree, pkg, pattern string) ([]string, error) {
	glob, all := strings.CutPrefix(pattern, "all:")
	if _, err := path.Match(glob, ""); err != nil || glob == "." || !fs.ValidPath(glob) {
		return nil, nil // the compiler names the mistake
	}
	var files []string
	for _, match := range matches(tree, pkg, strings.Split(glob, "/")) {
		kind := tree.lookup(match)
		if err := embeddable(tree, pkg, match, kind); err != nil {
			return nil, err
		}
		if kind == "d" {
			files = append(files, below(tree, match, all)...)
		} else {
			files = append(files, match)
		}
	}
	return files, nil
}

func matches(tree *tree, dir string, elements []string) []string {
	var found []string
	for name := range tree.list(dir) {
		if ok, err := path.Match(elements[0], name); !ok || err != nil {
			continue
		}
		if len(elements) == 1 {
			found = append(found, path.Join(dir, name))
		} else {
			found = append(found, matches(tree, path.Join(dir, name), elements[1:])...)
		}
	}
	return found
}

// embeddable refuses what the go command refuses and a staged copy could hide.
func embeddable(tree *tree, pkg, match, kind string) error {
	if kind != "f" && kind != "d" {
		return fmt.Errorf("%q is a symbolic link or a special file, which Go does not embed: put a regular file in its place", match)
	}
	for dir := match; dir != pkg && dir != "."; dir = path.Dir(dir) {
		if strings.HasPrefix(tree.lookup(dir), "l") {
			return fmt.Errorf("%q lies behind the symbolic link %q, which Go does not embed: put a regular folder in its place", match, dir)
		}
		if tree.lookup(dir) == "d" && tree.lookup(path.Join(dir, "go.mod")) != "" {
			return fmt.Errorf("%q belongs to another module (%s), which Go does not embed: narrow the pattern", match, path.Join(dir, "go.mod"))
		}
	}
	return nil
}

func below(tree *tree, dir string, all bool) []string {
	var files []string
	for name, kind := range tree.list(dir) {
		full := path.Join(dir, name)
		switch {
		case name == ".git" || name == ".hg" || name == ".bzr" || name == ".svn":
		case !all && (name[0] == '.' || name[0] == '_'):
		case kind == "d" && tree.lookup(path.Join(full, "go.mod")) == "":
			files = append(files, below(tree, full, all)...)
		case kind == "f":
			files = append(files, full)
		}
	}
	return files
}
