package app

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"trenova.selfhost/smoke/internal/config"
)

func newRequestCtx(path string) *fasthttp.RequestCtx {
	ctx := &fasthttp.RequestCtx{}
	ctx.Request.Header.SetMethod("GET")
	ctx.Request.SetRequestURI(path)
	return ctx
}

func TestPoolSizeComesThroughSSLMode(t *testing.T) {
	cfg := config.DB{Driver: "postgresql", Host: "127.0.0.1", Port: 1, Username: "u", Password: "p", Database: "d", SSLMode: "disable&pool_max_conns=23"}
	pool, err := openPool(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if got := pool.Config().MaxConns; got != 23 {
		t.Errorf("pool_max_conns = %d", got)
	}
	if got := pool.Config().ConnConfig.DefaultQueryExecMode; got != pgx.QueryExecModeSimpleProtocol {
		t.Errorf("mode = %v", got)
	}
}

func TestPasswordThatIsNotURLSafeBreaksTheDSN(t *testing.T) {
	cfg := config.DB{Driver: "postgresql", Host: "127.0.0.1", Port: 1, Username: "u", Password: "a/b#c", Database: "d", SSLMode: "disable"}
	if pool, err := openPool(t.Context(), cfg); err == nil {
		pool.Close()
		t.Fatal("accepted")
	}
}

// fakeTools puts programs of these names, and nothing else, into PATH.
func fakeTools(t *testing.T, names ...string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

func TestBackups(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cfg   config.Backup
		tools []string
		ok    bool
	}{
		"all there":              {config.Backup{Enabled: true, BackupDir: filepath.Join(t.TempDir(), "new")}, []string{"pg_dump", "pg_restore"}, true},
		"disabled":               {config.Backup{BackupDir: t.TempDir()}, []string{"pg_dump", "pg_restore"}, false},
		"no pg_dump":             {config.Backup{Enabled: true, BackupDir: t.TempDir()}, []string{"pg_restore"}, false},
		"no pg_restore":          {config.Backup{Enabled: true, BackupDir: t.TempDir()}, []string{"pg_dump"}, false},
		"directory not possible": {config.Backup{Enabled: true, BackupDir: filepath.Join(blocked, "x")}, []string{"pg_dump", "pg_restore"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			fakeTools(t, c.tools...)
			_, err := newBackups(&config.Config{Backup: c.cfg}, zerolog.Nop())
			if (err == nil) != c.ok {
				t.Fatalf("err = %v", err)
			}
		})
	}
}

func TestBackupTimeoutOfABareNumberKillsTheDump(t *testing.T) {
	fakeTools(t, "pg_dump", "pg_restore")
	b, err := newBackups(&config.Config{Backup: config.Backup{Enabled: true, BackupDir: t.TempDir(), BackupTimeout: 1800}}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if b.timeout() != 1800*time.Nanosecond {
		t.Fatalf("%s", b.timeout())
	}
}

func TestStartWithoutConfigurationDoesNotNameTheCause(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := build()
	if !errors.Is(err, errBuild) || strings.Contains(err.Error(), "config") {
		t.Fatalf("err = %v", err)
	}
}

func TestSessionIsBoundToTheClient(t *testing.T) {
	u := &user{ID: "usr_1", BusinessUnitID: "bu_1", CurrentOrganizationID: "org_1"}
	s := newSession(u, "203.0.113.7", "test")
	now := time.Now()
	for name, c := range map[string]struct {
		ip   string
		at   time.Time
		want error
	}{
		"same client":     {"203.0.113.7", now, nil},
		"other client":    {"203.0.113.8", now, errOtherClient},
		"after 73 hours":  {"203.0.113.7", now.Add(73 * time.Hour), errSessionExpired},
		"within 71 hours": {"203.0.113.7", now.Add(71 * time.Hour), nil},
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.check(c.ip, c.at); !errors.Is(err, c.want) {
				t.Fatalf("err = %v", err)
			}
		})
	}
}

func TestBlockedAccounts(t *testing.T) {
	if blocked(&user{Status: "Active"}) != "" {
		t.Error("an active account is blocked")
	}
	if got := blocked(&user{Status: "Inactive"}); !strings.Contains(got, "account is not active") {
		t.Errorf("%q", got)
	}
	if blocked(&user{Status: "Active", IsLocked: true}) == "" {
		t.Error("a locked account is not blocked")
	}
}

func TestBucketName(t *testing.T) {
	if got := bucketOf("org_0000000000000000000000000A"); !regexp.MustCompile(`^org-[0-9a-f]{32}$`).MatchString(got) {
		t.Fatalf("%q", got)
	}
}

func TestBucketPolicyLetsAnybodyListAndRead(t *testing.T) {
	policy := publicPolicy("org-1")
	for _, want := range []string{`"AWS":["*"]`, "s3:ListBucket", "s3:GetObject", "arn:aws:s3:::org-1/*"} {
		if !strings.Contains(policy, want) {
			t.Errorf("%s is missing in %s", want, policy)
		}
	}
}

func TestSystemQueueIsFilledAndNotConsumed(t *testing.T) {
	if _, ok := consumed[queueSystem]; ok {
		t.Error("queue system is consumed")
	}
	specs := map[string]string{}
	for _, e := range cronEntries() {
		specs[e.spec] = e.task
	}
	if specs["@every 10m"] != taskAnalyze || specs["0 */6 * * *"] != taskExpire {
		t.Errorf("%v", specs)
	}
}

func TestRetryDelayDoubles(t *testing.T) {
	for n, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
		if got := retryDelay(n, nil, nil); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
