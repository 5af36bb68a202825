// SPDX-License-Identifier: Apache-2.0

package periodic

import (
	"context"
	"testing"
	"time"
)

func TestRunRepeatsUntilTheContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	Run(ctx, time.Millisecond, func(context.Context) {
		if calls++; calls == 3 {
			cancel()
		}
	})
	if calls != 3 {
		t.Errorf("%d calls, want 3", calls)
	}
}
