// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestEmbeddedMigrationsAreInOrder(t *testing.T) {
	migrations, err := Migrations()
	if err != nil {
		t.Fatal(err)
	}
	if len(migrations) < 3 || migrations[0].Name != "create_sites" {
		t.Errorf("%+v", migrations)
	}
	for i, migration := range migrations {
		if migration.Version != i+1 || migration.SQL == "" {
			t.Errorf("at %d: %+v", i, migration)
		}
	}
}

func TestFileNames(t *testing.T) {
	for names, complaint := range map[string]string{
		"0001_a.sql 0002_b.sql":            "",
		"0001_a.sql 0003_c.sql":            "0003_c is where 0002 should be",
		"0001_a.sql 0001_b.sql":            "0001_b is where 0002 should be",
		"0001_a.sql 0002-b.sql":            "not named like",
		"0002_b.sql 0001_a.sql 0003_c.sql": "",
	} {
		source := fstest.MapFS{}
		for name := range strings.FieldsSeq(names) {
			source["sql/"+name] = &fstest.MapFile{Data: []byte("select 1")}
		}
		_, err := read(source, "sql")
		if (err == nil) != (complaint == "") || (err != nil && !strings.Contains(err.Error(), complaint)) {
			t.Errorf("%s: error = %v, want %q", names, err, complaint)
		}
	}
}
