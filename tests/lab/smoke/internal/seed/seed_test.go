package seed

import (
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func TestShippedFixtures(t *testing.T) {
	fixtures, err := readFixtures("../../test/fixtures")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int{}
	for _, f := range fixtures {
		rows[f.Table] += len(f.Rows)
	}
	for _, table := range []string{"business_units", "organizations", "shipments"} {
		if rows[table] == 0 {
			t.Errorf("no %s", table)
		}
	}
}

func TestFixturesAreReadFromTheWorkingDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := Fixtures(t.Context(), nil, "./test/fixtures"); err == nil {
		t.Fatal("seeded without ./test/fixtures")
	}
}

func TestInventedUsersAreDistinctAndFit(t *testing.T) {
	usernames, emails := map[string]bool{}, map[string]bool{}
	for i := range inventedUsers {
		_, username, email := invent(i)
		if len(username) > 20 {
			t.Errorf("%q is too long for its column", username)
		}
		usernames[username], emails[email] = true, true
	}
	if len(usernames) != inventedUsers || len(emails) != inventedUsers {
		t.Fatalf("%d usernames, %d addresses", len(usernames), len(emails))
	}
}

func TestPasswordsAreHashedAtCost10(t *testing.T) {
	h, err := hash(defaultPassword)
	if err != nil {
		t.Fatal(err)
	}
	if cost, err := bcrypt.Cost([]byte(h)); err != nil || cost != 10 {
		t.Fatalf("cost %d, %v", cost, err)
	}
}
