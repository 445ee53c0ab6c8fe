package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const minimal = `
app: {name: trenova}
server: {listenAddress: ":3001", secretKey: ""}
db: {host: db, port: 5432, username: app, password: secret, database: trenova}
redis: {addr: "redis:6379", password: ""}
rabbitmq: {host: mq, port: 5672, username: app, password: secret, vhost: /, timeout: 10s}
minio: {endpoint: "s3:9000", accessKey: key, secretKey: secret}
backup: {enabled: true, backupTimeout: 30m}
`

// inDir runs the test in an empty directory that holds one file.
func inDir(t *testing.T, path, content string) {
	t.Helper()
	dir := t.TempDir()
	if path != "" {
		full := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

func mustLoad(t *testing.T) *Config {
	t.Helper()
	cfg, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestFileIsChosenByAppEnv(t *testing.T) {
	for _, path := range []string{
		"config/production/config.production.yaml",
		"config/config.production.yaml",
		"config.production.yaml",
	} {
		t.Run(path, func(t *testing.T) {
			inDir(t, path, minimal)
			t.Setenv("APP_ENV", "production")
			if got := mustLoad(t).App.Name; got != "trenova" {
				t.Fatalf("app.name = %q", got)
			}
		})
	}
	t.Run("the more specific directory wins", func(t *testing.T) {
		inDir(t, "config/production/config.production.yaml", minimal)
		other := strings.Replace(minimal, "name: trenova", "name: other", 1)
		if err := os.WriteFile("config.production.yaml", []byte(other), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("APP_ENV", "production")
		if got := mustLoad(t).App.Name; got != "trenova" {
			t.Fatalf("app.name = %q", got)
		}
	})
	t.Run("development is the default", func(t *testing.T) {
		inDir(t, "config/config.development.yaml", minimal)
		t.Setenv("APP_ENV", "")
		mustLoad(t)
	})
	t.Run("app.environment does not choose the file", func(t *testing.T) {
		inDir(t, "config/config.production.yaml", minimal)
		t.Setenv("APP_ENV", "")
		t.Setenv("TRENOVA_APP_ENVIRONMENT", "production")
		if _, err := Load(); err == nil {
			t.Fatal("loaded without APP_ENV")
		}
	})
	t.Run("a missing file is an error", func(t *testing.T) {
		inDir(t, "", "")
		t.Setenv("APP_ENV", "production")
		if _, err := Load(); err == nil {
			t.Fatal("loaded without a file")
		}
	})
}

func TestEnvironmentOverrides(t *testing.T) {
	inDir(t, "config/config.production.yaml", minimal)
	t.Setenv("APP_ENV", "production")
	t.Setenv("TRENOVA_SERVER_SECRETKEY", "from-env")
	t.Setenv("TRENOVA_SERVER_SECRET_KEY", "wrong-name")
	t.Setenv("TRENOVA_DB_PORT", "6432")
	t.Setenv("TRENOVA_DB_USER", "wrong-name")
	t.Setenv("TRENOVA_DB_NAME", "wrong-name")
	t.Setenv("TRENOVA_DB_PASSWORD", "")
	t.Setenv("TRENOVA_REDIS_PASSWORD", "redis-from-env")
	t.Setenv("TRENOVA_RABBITMQ_EXCHANGENAME", "key-not-in-file")
	t.Setenv("TRENOVA_BACKUP_RETENTIONDAYS", "7")
	cfg := mustLoad(t)

	if cfg.Server.SecretKey != "from-env" {
		t.Errorf("secretKey = %q", cfg.Server.SecretKey)
	}
	if cfg.DB.Port != 6432 || cfg.DB.Username != "app" || cfg.DB.Database != "trenova" {
		t.Errorf("db = %+v", cfg.DB)
	}
	if cfg.DB.Password != "secret" {
		t.Errorf("an empty variable must count as unset, got %q", cfg.DB.Password)
	}
	if cfg.Redis.Password != "redis-from-env" {
		t.Errorf("a key that is in the file as \"\" can be overridden, got %q", cfg.Redis.Password)
	}
	if cfg.RabbitMQ.ExchangeName != "" {
		t.Errorf("a key that is not in the file must be ignored, got %q", cfg.RabbitMQ.ExchangeName)
	}
	if cfg.Backup.RetentionDays != 7 {
		t.Errorf("a key with a default can be overridden, got %d", cfg.Backup.RetentionDays)
	}
}

func TestPlaceholders(t *testing.T) {
	t.Setenv("SET", "value")
	t.Setenv("EMPTY", "")
	for in, want := range map[string]string{
		"plain":              "plain",
		"${SET}":             "value",
		"${UNSET}":           "",
		"${UNSET:-fallback}": "fallback",
		"${EMPTY:-fallback}": "fallback",
		"${SET:-fallback}":   "value",
		"pa$SET":             "pavalue",
		"pa$x5word":          "pa",
		"a${UNSET}b":         "ab",
		"${lower:-x}":        "",
	} {
		if got := expand(in); got != want {
			t.Errorf("expand(%q) = %q, want %q", in, got, want)
		}
	}

	inDir(t, "config/config.production.yaml", strings.NewReplacer(
		`secretKey: ""`, `secretKey: "${SET}"`,
		"username: app", `username: "${SET}"`,
		"accessKey: key", `accessKey: "${UNSET:-key2}"`,
		`"redis:6379", password: ""`, `"redis:6379", password: "${SET}"`,
	).Replace(minimal))
	t.Setenv("APP_ENV", "production")
	cfg := mustLoad(t)
	if cfg.DB.Username != "value" || cfg.RabbitMQ.Username != "value" || cfg.MinIO.AccessKey != "key2" {
		t.Errorf("the six fields must be expanded: %q %q %q", cfg.DB.Username, cfg.RabbitMQ.Username, cfg.MinIO.AccessKey)
	}
	if cfg.Server.SecretKey != "${SET}" || cfg.Redis.Password != "${SET}" {
		t.Errorf("other fields must stay literal: %q %q", cfg.Server.SecretKey, cfg.Redis.Password)
	}
}

func TestPlaceholderOutsideTheSixFieldsBreaksAnInteger(t *testing.T) {
	inDir(t, "config/config.production.yaml", strings.Replace(minimal, "port: 5432", `port: "${DB_PORT:-6432}"`, 1))
	t.Setenv("APP_ENV", "production")
	if _, err := Load(); err == nil {
		t.Fatal("a placeholder was accepted as a port")
	}
}

func TestBareNumberIsNanoseconds(t *testing.T) {
	inDir(t, "config/config.production.yaml", strings.NewReplacer(
		"timeout: 10s", "timeout: 10", ", backupTimeout: 30m", "").Replace(minimal))
	t.Setenv("APP_ENV", "production")
	cfg := mustLoad(t)
	if cfg.RabbitMQ.Timeout != 10*time.Nanosecond {
		t.Errorf("timeout = %s", cfg.RabbitMQ.Timeout)
	}
	if cfg.Backup.BackupTimeout != 1800*time.Nanosecond {
		t.Errorf("default backupTimeout = %s", cfg.Backup.BackupTimeout)
	}
}

func TestDurationsWithUnits(t *testing.T) {
	inDir(t, "config/config.production.yaml", minimal)
	t.Setenv("APP_ENV", "production")
	cfg := mustLoad(t)
	if cfg.RabbitMQ.Timeout != 10*time.Second || cfg.Backup.BackupTimeout != 30*time.Minute {
		t.Errorf("%s %s", cfg.RabbitMQ.Timeout, cfg.Backup.BackupTimeout)
	}
}

func TestDefaults(t *testing.T) {
	inDir(t, "config/config.production.yaml", strings.Replace(minimal, "backup: {enabled: true, backupTimeout: 30m}", "", 1))
	t.Setenv("APP_ENV", "production")
	cfg := mustLoad(t)
	if cfg.Backup.Enabled || cfg.Backup.BackupDir != "./backups" || cfg.Backup.Compression != 6 {
		t.Errorf("backup = %+v", cfg.Backup)
	}
	if cfg.DB.SSLMode != "disable" || cfg.DB.MaxConnections != 100 || cfg.App.Environment != "development" {
		t.Errorf("%+v %+v", cfg.DB, cfg.App)
	}
}

func TestValidate(t *testing.T) {
	cases := map[string]struct{ old, new string }{
		"app.name":             {"{name: trenova}", `{name: ""}`},
		"server.listenAddress": {`":3001"`, `""`},
		"db.host":              {"host: db", `host: ""`},
		"db.port":              {"port: 5432", "port: 0"},
		"db.username":          {"username: app", `username: ""`},
		"db.database":          {"database: trenova", `database: ""`},
		"backup.compression":   {"backupTimeout: 30m", "compression: 10"},
		"backup.schedule":      {"backupTimeout: 30m", "schedule: daily at noon"},
	}
	for key, c := range cases {
		t.Run(key, func(t *testing.T) {
			inDir(t, "config/config.production.yaml", strings.Replace(minimal, c.old, c.new, 1))
			t.Setenv("APP_ENV", "production")
			if err := mustLoad(t).Validate(); err == nil || !strings.Contains(err.Error(), key) {
				t.Fatalf("err = %v", err)
			}
		})
	}
	inDir(t, "config/config.production.yaml", minimal)
	t.Setenv("APP_ENV", "production")
	if err := mustLoad(t).Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestAddressesAreNotEscaped(t *testing.T) {
	db := DB{Driver: "postgresql", Host: "db", Port: 6432, Username: "app", Password: "p@ss/w#rd", Database: "trenova", SSLMode: "disable&pool_max_conns=20"}
	if got, want := db.DSN(), "postgres://app:p@ss/w#rd@db:6432/trenova?sslmode=disable&pool_max_conns=20"; got != want {
		t.Errorf("DSN = %q", got)
	}
	mq := RabbitMQ{Host: "mq", Port: 5672, Username: "app", Password: "p@ss"}
	for vhost, want := range map[string]string{
		"/":        "amqp://app:p@ss@mq:5672/",
		"trenova":  "amqp://app:p@ss@mq:5672/trenova",
		"/trenova": "amqp://app:p@ss@mq:5672/trenova",
	} {
		mq.VHost = vhost
		if got := mq.URL(); got != want {
			t.Errorf("vhost %q: URL = %q, want %q", vhost, got, want)
		}
	}
}
