// SPDX-License-Identifier: Apache-2.0

package readiness

import (
	"strings"
	"testing"

	"github.com/nvidia/carbide-rest-api/common/pkg/dbconfig"
)

func TestCheckNamesTheDatabaseThatDoesNotAnswer(t *testing.T) {
	config := dbconfig.Config{Host: "127.0.0.1", Port: 1, Name: "carbide", User: "carbide", Password: "secret", SSLMode: "prefer"}
	database, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	err = database.Check(t.Context())
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1/carbide") || strings.Contains(err.Error(), "secret") {
		t.Errorf("error = %v", err)
	}
}
