package cli

import (
	"fmt"
	"time"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/render"
)

// progressEvery is how often the line of progress is drawn.
const progressEvery = 200 * time.Millisecond

// progress draws one line on stderr while something long runs, where that is a
// terminal that can take a line back, and returns what ends it.
func (r *run) progress() (stop func()) {
	if !r.world.StderrTerminal || r.world.dumb() {
		return func() {}
	}
	started := r.Now()
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				fmt.Fprint(r.world.Stderr, "\r\x1b[K")
				return
			case <-ticker.C:
				line := progressLine(r.Progress.Counts(), r.env.AWS.Stats().Total(), r.Now().Sub(started))
				fmt.Fprint(r.world.Stderr, "\r\x1b[K"+line)
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// progressLine says how far a run is.
func progressLine(c app.Counts, calls awsapi.OperationStats, elapsed time.Duration) string {
	line := c.Phase
	switch {
	case c.ToDelete > 0:
		line += fmt.Sprintf(": %s of %s", render.Number(int(c.Deleted)), render.Count(int(c.ToDelete), "image"))
		line += remaining(c.Deleted, c.ToDelete, elapsed)
	case c.Repositories > 0:
		line += fmt.Sprintf(": %s of %s, %s", render.Number(int(c.Done)), render.Count(int(c.Repositories), "repository"), render.Count(int(c.Images), "image"))
		line += remaining(c.Done, c.Repositories, elapsed)
	}
	if calls.Calls > 0 {
		line += fmt.Sprintf(" · %s", render.Count(int(calls.Calls), "call"))
		if s := elapsed.Seconds(); s >= 1 {
			line += fmt.Sprintf(" (%.0f/s)", float64(calls.Calls)/s)
		}
	}
	if calls.Throttled > 0 {
		line += fmt.Sprintf(" · throttled %s times", render.Number(int(calls.Throttled)))
	}
	return line
}

// remaining estimates the time left from what is done.
func remaining(done, total int64, elapsed time.Duration) string {
	if done == 0 || done >= total || elapsed < time.Second {
		return ""
	}
	left := time.Duration(float64(elapsed) / float64(done) * float64(total-done))
	return fmt.Sprintf(" · %s left", left.Round(time.Second))
}
