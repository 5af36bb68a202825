// SPDX-License-Identifier: Apache-2.0

package connect

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nvidia/carbide-rest-api/common/pkg/dbconfig"
)

var nowhere = dbconfig.Config{Host: "127.0.0.1", Port: 1, Name: "carbide", User: "carbide", SSLMode: "disable"}

func TestWaitEndsWithItsSpan(t *testing.T) {
	_, err := Wait(t.Context(), nowhere, 50*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "within 50ms") || !strings.Contains(err.Error(), "127.0.0.1:1/carbide") {
		t.Errorf("error = %v", err)
	}
}

func TestWaitEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := Wait(ctx, nowhere, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}
