package awsapi

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestSilence reads from a connection as the SDK does, with a deadline from the
// beginning of the read, while it is written to.
func TestSilence(t *testing.T) {
	const silence = 20 * time.Second
	for _, tt := range []struct {
		name   string
		writes int // one each 15 s
		after  time.Duration
		want   error
		took   time.Duration
	}{
		{"an answer in time", 0, 19 * time.Second, nil, 19 * time.Second},
		{"no answer", 0, time.Hour, os.ErrDeadlineExceeded, silence},
		{"an answer in time after a long request", 8, 19 * time.Second, nil, 139 * time.Second},
		{"no answer after a long request", 8, time.Hour, os.ErrDeadlineExceeded, 140 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var group sync.WaitGroup
				defer group.Wait()
				near, far := net.Pipe()
				defer near.Close()
				defer far.Close()
				conn := &sending{near, silence}
				group.Go(func() {
					for range tt.writes {
						if _, err := io.ReadFull(far, make([]byte, 4)); err != nil {
							return
						}
					}
					time.Sleep(tt.after)
					if _, err := far.Write([]byte("answer")); err != nil {
						return // nobody waits any more
					}
				})
				group.Go(func() {
					for range tt.writes {
						time.Sleep(15 * time.Second)
						if _, err := conn.Write([]byte("part")); err != nil {
							return
						}
					}
				})
				began := time.Now()
				if err := conn.SetReadDeadline(began.Add(silence)); err != nil {
					t.Fatal(err)
				}
				_, err := conn.Read(make([]byte, 6))
				if took := time.Since(began); !errors.Is(err, tt.want) || took != tt.took {
					t.Errorf("%v after %s, want %v after %s", err, took, tt.want, tt.took)
				}
			})
		})
	}
}
