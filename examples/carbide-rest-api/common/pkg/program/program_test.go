// SPDX-License-Identifier: Apache-2.0

package program

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
)

func outcome(result error) func(context.Context) error {
	return func(context.Context) error { return result }
}

func TestCommandLine(t *testing.T) {
	fine := Program{Name: "carbide-test", Summary: "A test.", Run: outcome(nil), Health: outcome(nil)}
	broken := Program{Name: "carbide-test", Run: outcome(errors.New("no port")), Health: outcome(errors.New("no answer"))}

	for name, test := range map[string]struct {
		program        Program
		args           []string
		code           int
		stdout, stderr string // what each contains; "" for nothing at all
	}{
		"version":          {fine, []string{"--version"}, 0, "carbide-test dev\n", ""},
		"help":             {fine, []string{"--help"}, 0, "carbide-test: A test.", ""},
		"healthy":          {fine, []string{"health"}, 0, "healthy\n", ""},
		"unhealthy":        {broken, []string{"health"}, 1, "", "carbide-test: unhealthy: no answer"},
		"run":              {fine, nil, 0, "", `"msg":"stopped"`},
		"run fails":        {broken, nil, 1, "", `"error":"no port"`},
		"unknown command":  {fine, []string{"helth"}, 2, "", `unknown argument "helth"`},
		"unknown flag":     {fine, []string{"--verbose"}, 2, "", "-verbose"},
		"one too many":     {fine, []string{"health", "now"}, 2, "", `unexpected argument "now"`},
		"version of what?": {fine, []string{"--version", "all"}, 2, "", `unknown argument "all"`},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := test.program.execute(t.Context(), test.args, &stdout, &stderr)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			expect(t, "stdout", stdout.String(), test.stdout)
			expect(t, "stderr", stderr.String(), test.stderr)
		})
	}
}

func expect(t *testing.T, stream, got, want string) {
	t.Helper()
	if (want == "" && got != "") || !strings.Contains(got, want) {
		t.Errorf("%s = %q, want %q", stream, got, want)
	}
}
