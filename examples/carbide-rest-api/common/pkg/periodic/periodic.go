// SPDX-License-Identifier: Apache-2.0

// Package periodic repeats work until it is told to stop.
package periodic

import (
	"context"
	"time"
)

// Run calls work now and then once an interval, until the context ends.
func Run(ctx context.Context, interval time.Duration, work func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		work(ctx)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}
