// SPDX-License-Identifier: Apache-2.0

// Package schema holds the SQL migrations that make the database, in order.
package schema

import (
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
)

//go:embed sql/*.sql
var files embed.FS

var fileName = regexp.MustCompile(`^(\d{4})_([a-z0-9_]+)\.sql$`)

// Migration is one step from an older schema to a newer one.
type Migration struct {
	Version int
	Name    string
	SQL     string
}

// String names the migration as its file does.
func (m Migration) String() string {
	return fmt.Sprintf("%04d_%s", m.Version, m.Name)
}

// Migrations returns the embedded migrations in the order in which they apply.
func Migrations() ([]Migration, error) {
	return read(files, "sql")
}

func read(source fs.FS, folder string) ([]Migration, error) {
	entries, err := fs.ReadDir(source, folder)
	if err != nil {
		return nil, err
	}
	migrations := make([]Migration, 0, len(entries))
	for _, entry := range entries {
		migration, err := parse(source, path.Join(folder, entry.Name()))
		if err != nil {
			return nil, err
		}
		migrations = append(migrations, migration)
	}
	slices.SortFunc(migrations, func(a, b Migration) int { return cmp.Compare(a.Version, b.Version) })
	return migrations, checkSequence(migrations)
}

func parse(source fs.FS, file string) (Migration, error) {
	parts := fileName.FindStringSubmatch(path.Base(file))
	if parts == nil {
		return Migration{}, fmt.Errorf("migration %s is not named like 0001_create_sites.sql", file)
	}
	version, err := strconv.Atoi(parts[1])
	if err != nil {
		return Migration{}, err
	}
	sql, err := fs.ReadFile(source, file)
	return Migration{Version: version, Name: parts[2], SQL: string(sql)}, err
}

func checkSequence(migrations []Migration) error {
	for i, migration := range migrations {
		if migration.Version != i+1 {
			return fmt.Errorf("migration %s is where %04d should be", migration, i+1)
		}
	}
	return nil
}
