// SPDX-License-Identifier: Apache-2.0

package dbconfig

import (
	"strings"
	"testing"
)

var variables = []string{"DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD", "DB_SSLMODE"}

func setAll(t *testing.T, values ...string) {
	t.Helper()
	for i, name := range variables {
		t.Setenv(name, "")
		if i < len(values) {
			t.Setenv(name, values[i])
		}
	}
}

func TestDefaults(t *testing.T) {
	setAll(t)
	got, err := FromEnv()
	want := Config{Host: "localhost", Port: 5432, Name: "carbide", User: "carbide", SSLMode: "prefer"}
	if err != nil || got != want {
		t.Errorf("FromEnv = %#v, %v", got, err)
	}
}

func TestEveryVariableIsRead(t *testing.T) {
	setAll(t, "db.example", "6432", "forge", "writer", `it's a \secret`, "require")
	got, err := FromEnv()
	if err != nil {
		t.Fatal(err)
	}
	const want = `host='db.example' port=6432 dbname='forge' user='writer' password='it\'s a \\secret' sslmode=require`
	if got.ConnectionString() != want {
		t.Errorf("ConnectionString = %s\nwant %s", got.ConnectionString(), want)
	}
	if got.String() != "db.example:6432/forge" {
		t.Errorf("String = %s", got)
	}
}

func TestBadValuesAreNamed(t *testing.T) {
	for _, values := range [][]string{{"", "five"}, {"", "0"}, {"", "", "", "", "", "maybe"}} {
		setAll(t, values...)
		bad := values[len(values)-1]
		if _, err := FromEnv(); err == nil || !strings.Contains(err.Error(), `="`+bad+`"`) {
			t.Errorf("%q: error = %v", bad, err)
		}
	}
}
