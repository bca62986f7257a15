package api_test

import (
	"testing"

	"github.com/curfewhq/curfew/internal/onethread"
)

func TestMain(m *testing.M) { onethread.Main(m) }
