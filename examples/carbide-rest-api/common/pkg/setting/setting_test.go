// SPDX-License-Identifier: Apache-2.0

package setting

import (
	"strings"
	"testing"
	"time"
)

func TestUnsetMeansFallback(t *testing.T) {
	t.Setenv("SETTING", "")
	if port, err := Port("SETTING", 8388); port != 8388 || err != nil {
		t.Errorf("Port = %d, %v", port, err)
	}
	if span, err := Duration("SETTING", time.Minute); span != time.Minute || err != nil {
		t.Errorf("Duration = %s, %v", span, err)
	}
}

func TestBadValuesAreNamed(t *testing.T) {
	for _, value := range []string{"zero", "0", "-1", "70000", "10.0.0.1/8"} {
		t.Setenv("SETTING", value)
		_, portErr := Port("SETTING", 80)
		_, durationErr := Duration("SETTING", time.Minute)
		_, prefixErr := Prefix("SETTING", "10.0.0.0/8")
		for _, err := range []error{portErr, durationErr, prefixErr} {
			if err == nil || !strings.Contains(err.Error(), `SETTING="`+value+`"`) {
				t.Errorf("%q: error = %v", value, err)
			}
		}
	}
}
