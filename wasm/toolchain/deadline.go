package main

import (
	"runtime"
	"time"

	"github.com/open-policy-agent/opa/v1/topdown"
)

// deadline cancels an evaluation by looking at the clock itself: there is one thread, so no timer can interrupt it.
type deadline struct {
	at        time.Time
	cancelled bool
	looks     uint
}

func newDeadline(timeoutMs int64) *deadline {
	return &deadline{at: time.Now().Add(time.Duration(timeoutMs) * time.Millisecond)}
}

func (d *deadline) Cancel() { d.cancelled = true }

func (d *deadline) Cancelled() bool {
	// the clock is a call out of the module: look at every 64th question only
	if d.looks++; !d.cancelled && d.looks%64 == 0 {
		d.cancelled = time.Now().After(d.at)
	}
	return d.cancelled
}

// yielding lets the test runner's own timeout fire: it needs the scheduler, and an evaluation never gives it up.
type yielding struct{ events uint }

func (*yielding) Enabled() bool               { return true }
func (*yielding) Config() topdown.TraceConfig { return topdown.TraceConfig{} }
func (y *yielding) TraceEvent(_ topdown.Event) {
	if y.events++; y.events%256 == 0 {
		runtime.Gosched()
	}
}
