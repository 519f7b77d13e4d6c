package ecr

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails if a read or a tag call leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
