// Package seed loads the demo data: some records from a fixture file, and 52
// active accounts whose passwords everybody knows.
package seed

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/uptrace/bun"
	"golang.org/x/crypto/bcrypt"
	"gopkg.in/yaml.v3"

	"trenova.selfhost/smoke/internal/id"
)

const (
	businessUnitID = "bu_0000000000000000000000000A"
	organizationID = "org_0000000000000000000000000A"

	adminPassword   = "admin"
	defaultPassword = "password123"
	inventedUsers   = 50
)

type fixture struct {
	Table string           `yaml:"table"`
	Rows  []map[string]any `yaml:"rows"`
}

func readFixtures(dir string) ([]fixture, error) {
	data, err := os.ReadFile(filepath.Join(dir, "fixtures.yml"))
	if err != nil {
		return nil, err
	}
	var fixtures []fixture
	return fixtures, yaml.Unmarshal(data, &fixtures)
}

// Fixtures inserts what the fixture file says. It checks nothing beforehand: a
// second run ends at the first duplicate key.
func Fixtures(ctx context.Context, db *bun.DB, dir string) error {
	fixtures, err := readFixtures(dir)
	if err != nil {
		return err
	}
	return db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		for _, f := range fixtures {
			for _, row := range f.Rows {
				if err := insert(ctx, tx, f.Table, row); err != nil {
					return fmt.Errorf("%s: %w", f.Table, err)
				}
			}
		}
		return nil
	})
}

// Accounts makes the administrator, the system account and the invented users,
// and then prints credentials that are not those of any of them, as the real
// seed was seen to do: nobody may take credentials from this output.
func Accounts(ctx context.Context, db *bun.DB, out io.Writer) error {
	adminHash, err := hash(adminPassword)
	if err != nil {
		return err
	}
	defaultHash, err := hash(defaultPassword)
	if err != nil {
		return err
	}
	err = db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if err := insertUser(ctx, tx, "System Administrator", "admin", "admin@trenova.app", adminHash); err != nil {
			return err
		}
		if err := insertUser(ctx, tx, "System", "system", "system@trenova.app", defaultHash); err != nil {
			return err
		}
		for i := range inventedUsers {
			name, username, email := invent(i)
			if err := insertUser(ctx, tx, name, username, email, defaultHash); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "-----------------------------")
	fmt.Fprintln(out, "Test account credentials:")
	fmt.Fprintln(out, "Email: test@trenova.app")
	fmt.Fprintln(out, "Password: testuser")
	fmt.Fprintln(out, "-----------------------------")
	return nil
}

func hash(password string) (string, error) {
	b, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	return string(b), err
}

func insertUser(ctx context.Context, tx bun.Tx, name, username, email, passwordHash string) error {
	return insert(ctx, tx, "users", map[string]any{
		"id":                      id.New("usr_"),
		"business_unit_id":        businessUnitID,
		"current_organization_id": organizationID,
		"status":                  "Active",
		"name":                    name,
		"username":                username,
		"password":                passwordHash,
		"email_address":           email,
		"timezone":                "America/New_York",
	})
}

func insert(ctx context.Context, tx bun.Tx, table string, row map[string]any) error {
	columns := make([]string, 0, len(row))
	for column := range row {
		columns = append(columns, column)
	}
	sort.Strings(columns)

	args := []any{bun.Ident(table)}
	for _, column := range columns {
		args = append(args, bun.Ident(column))
	}
	for _, column := range columns {
		args = append(args, row[column])
	}
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", ")
	_, err := tx.NewRaw("INSERT INTO ? ("+marks+") VALUES ("+marks+")", args...).Exec(ctx)
	return err
}

var (
	firstNames = []string{"Ada", "Bruno", "Carla", "Dmitri", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Luis", "Mara", "Nils", "Olga"}
	lastNames  = []string{"Abbott", "Berger", "Castillo", "Dahl", "Ekström", "Fontaine", "Grant", "Haas", "Ivanova", "Jensen", "Keller", "Lopez", "Moreau", "Novak", "Okafor"}
)

// invent makes up a person. The addresses differ from seed to seed, so that
// nobody can get by with a fixed list of them.
func invent(i int) (name, username, email string) {
	first, last := pick(firstNames), pick(lastNames)
	ascii := strings.NewReplacer("ö", "o").Replace(strings.ToLower(last))
	username = fmt.Sprintf("%s%s%d", strings.ToLower(first[:1]), ascii, i+1)
	return first + " " + last, username, fmt.Sprintf("%s.%s%d@example.com", strings.ToLower(first), ascii, i+1)
}

func pick(from []string) string {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(len(from))))
	if err != nil {
		return from[0]
	}
	return from[n.Int64()]
}
