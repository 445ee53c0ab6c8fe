// Package migrations carries the schema. File names sort in the order in which
// they are applied; ".tx." makes each run in a transaction of its own.
package migrations

import (
	"embed"
	"io/fs"

	"github.com/uptrace/bun/migrate"
)

//go:embed sql/*.sql
var files embed.FS

// Load returns the embedded migrations.
func Load() (*migrate.Migrations, error) {
	sub, err := fs.Sub(files, "sql")
	if err != nil {
		return nil, err
	}
	m := migrate.NewMigrations()
	return m, m.Discover(sub)
}
