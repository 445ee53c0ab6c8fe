package migrations

import (
	"strings"
	"testing"
)

func TestEveryMigrationGoesUpAndDown(t *testing.T) {
	m, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(m.Sorted()); n < 5 {
		t.Fatalf("%d migrations", n)
	}
	for _, mig := range m.Sorted() {
		if mig.Up == nil || mig.Down == nil {
			t.Errorf("%s lacks one direction", mig)
		}
	}
}

func TestEveryMigrationIsTransactional(t *testing.T) {
	entries, err := files.ReadDir("sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.Contains(e.Name(), ".tx.") {
			t.Errorf("%s", e.Name())
		}
	}
}
