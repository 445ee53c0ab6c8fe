package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
	"github.com/rs/zerolog"

	"trenova.selfhost/smoke/internal/config"
)

const backupSuffix = ".sql.gz"

// backups dumps the database through the address that the API uses, that is
// through the pooler if there is one.
type backups struct {
	cfg  config.Backup
	db   config.DB
	dump string
	cron *cron.Cron
	log  zerolog.Logger
}

func newBackups(cfg *config.Config, log zerolog.Logger) (*backups, error) {
	if !cfg.Backup.Enabled {
		return nil, errors.New("backup is disabled")
	}
	b := &backups{cfg: cfg.Backup, db: cfg.DB, log: log, cron: cron.New(cron.WithLocation(time.UTC))}
	b.cfg.BackupDir = cmp.Or(b.cfg.BackupDir, "./backups")
	if err := os.MkdirAll(b.cfg.BackupDir, 0o755); err != nil {
		return nil, err
	}
	var err error
	if b.dump, err = exec.LookPath("pg_dump"); err != nil {
		return nil, err
	}
	if _, err = exec.LookPath("pg_restore"); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *backups) start() error {
	_, err := b.cron.AddFunc(cmp.Or(b.cfg.Schedule, "0 0 * * *"), b.scheduled)
	if err == nil {
		b.cron.Start()
	}
	return err
}

func (b *backups) stop() { b.cron.Stop() }

func (b *backups) scheduled() {
	ctx, cancel := context.WithTimeout(context.Background(), b.timeout())
	defer cancel()
	if _, err := b.create(ctx); err != nil {
		b.log.Error().Err(err).Msg("scheduled backup failed")
		return
	}
	b.prune(time.Now())
}

func (b *backups) timeout() time.Duration {
	if b.cfg.BackupTimeout <= 0 {
		return 30 * time.Minute
	}
	return b.cfg.BackupTimeout
}

// create writes a dump in pg_dump's custom format. The name says otherwise.
func (b *backups) create(ctx context.Context) (string, error) {
	name := fmt.Sprintf("%s-%s%s", b.db.Database, time.Now().UTC().Format("20060102-150405"), backupSuffix)
	path := filepath.Join(b.cfg.BackupDir, name)
	cmd := exec.CommandContext(ctx, b.dump,
		"--host", b.db.Host, "--port", strconv.Itoa(b.db.Port), "--username", b.db.Username, "--no-password",
		"--format", "custom", "--compress", strconv.Itoa(b.cfg.Compression), "--file", path, b.db.Database)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+b.db.Password)
	if out, err := cmd.CombinedOutput(); err != nil {
		_ = os.Remove(path)
		return "", fmt.Errorf("pg_dump: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return name, nil
}

func (b *backups) prune(now time.Time) {
	days := b.cfg.RetentionDays
	if days <= 0 {
		days = 30
	}
	for _, f := range b.list() {
		if f.CreatedAt < now.AddDate(0, 0, -days).Unix() {
			_ = os.Remove(filepath.Join(b.cfg.BackupDir, f.Filename))
		}
	}
}

type backupFile struct {
	Filename  string `json:"filename"`
	Size      int64  `json:"size"`
	CreatedAt int64  `json:"createdAt"`
}

func (b *backups) list() []backupFile {
	entries, err := os.ReadDir(b.cfg.BackupDir)
	if err != nil {
		return nil
	}
	files := []backupFile{}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), backupSuffix) {
			files = append(files, backupFile{Filename: e.Name(), Size: info.Size(), CreatedAt: info.ModTime().Unix()})
		}
	}
	return files
}

// path returns the path of an existing backup, or "".
func (b *backups) path(name string) string {
	for _, f := range b.list() {
		if f.Filename == name {
			return filepath.Join(b.cfg.BackupDir, name)
		}
	}
	return ""
}
