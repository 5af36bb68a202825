// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/nvidia/carbide-rest-api/db/pkg/schema"
)

const databaseVariable = "CARBIDE_TEST_DATABASE_URL"

// newSchema makes an empty PostgreSQL schema and returns a function that connects to it.
func newSchema(t *testing.T) func() *pgx.Conn {
	t.Helper()
	url := os.Getenv(databaseVariable)
	if url == "" {
		t.Skipf("set %s to a PostgreSQL database to run this test", databaseVariable)
	}
	name := pgx.Identifier{"test_" + time.Now().UTC().Format("20060102_150405.000000000")}.Sanitize()
	connect := func() *pgx.Conn {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(context.Background()) })
		execute(t, conn, "set search_path to "+name)
		return conn
	}
	owner := connect()
	execute(t, owner, "create schema "+name)
	t.Cleanup(func() { execute(t, owner, "drop schema "+name+" cascade") })
	return connect
}

func execute(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		t.Fatal(err)
	}
}

func embedded(t *testing.T) []schema.Migration {
	t.Helper()
	migrations, err := schema.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	return migrations
}

func TestEveryMigrationAppliesOnce(t *testing.T) {
	conn, migrations := newSchema(t)(), embedded(t)
	for _, want := range []int{len(migrations), 0} {
		if applied, err := Apply(t.Context(), conn, migrations); err != nil || len(applied) != want {
			t.Errorf("applied %d, %v; want %d", len(applied), err, want)
		}
	}
	execute(t, conn, "insert into instances (id, name, address) values (gen_random_uuid(), 'blue', '10.0.0.1')")
}

func TestConcurrentProcessesTakeTurns(t *testing.T) {
	connect, migrations := newSchema(t), embedded(t)
	var group sync.WaitGroup
	var total atomic.Int64
	for range 4 {
		conn := connect()
		group.Go(func() {
			applied, err := Apply(t.Context(), conn, migrations)
			if err != nil {
				t.Error(err)
			}
			total.Add(int64(len(applied)))
		})
	}
	group.Wait()
	if total.Load() != int64(len(migrations)) {
		t.Errorf("applied %d, want %d", total.Load(), len(migrations))
	}
}

func TestAFailedMigrationLeavesNothingBehind(t *testing.T) {
	conn := newSchema(t)()
	good := schema.Migration{Version: 1, Name: "good", SQL: "create table one (a int)"}
	bad := schema.Migration{Version: 2, Name: "bad", SQL: "create table two (a int); select no_such_function()"}
	if applied, err := Apply(t.Context(), conn, []schema.Migration{good, bad}); err == nil || len(applied) != 1 {
		t.Errorf("applied %d, %v", len(applied), err)
	}
	mended := schema.Migration{Version: 2, Name: "mended", SQL: "create table two (a int)"}
	if applied, err := Apply(t.Context(), conn, []schema.Migration{good, mended}); err != nil || len(applied) != 1 {
		t.Errorf("mended: applied %d, %v", len(applied), err)
	}
}
