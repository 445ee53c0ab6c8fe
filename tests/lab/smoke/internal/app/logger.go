package app

import (
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"trenova.selfhost/smoke/internal/config"
)

// newLogger writes console lines to standard output. Info lines are sampled,
// as in the real application: a check that reads the log cannot rely on them.
func newLogger(cfg *config.Config) zerolog.Logger {
	var out io.Writer = zerolog.ConsoleWriter{
		Out:        os.Stdout,
		TimeFormat: time.RFC3339,
		NoColor:    cfg.App.Environment != "development",
	}
	var fileErr error
	if f := cfg.Logging.File; f.Enabled {
		var file io.Writer
		if file, fileErr = openLogFile(f); fileErr == nil {
			out = zerolog.MultiLevelWriter(out, file)
		}
	}

	level, err := zerolog.ParseLevel(cfg.Logging.Level)
	if err != nil || cfg.Logging.Level == "" {
		level = zerolog.InfoLevel
	}
	log := zerolog.New(out).Level(level).With().Timestamp().Str("app", cfg.App.Name).Logger()
	if fileErr != nil {
		log.Error().Err(fileErr).Msg("cannot write the log file")
	}
	return log.Sample(&zerolog.LevelSampler{
		InfoSampler: &zerolog.BurstSampler{Burst: 10, Period: time.Second, NextSampler: &zerolog.BasicSampler{N: 50}},
	})
}

func openLogFile(f config.LogFile) (io.Writer, error) {
	if err := os.MkdirAll(f.Path, 0o755); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(f.Path, f.FileName), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
}
