// Package app is the API server: its start, its routes, its jobs and its end.
package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/rs/zerolog"

	"trenova.selfhost/smoke/internal/config"
)

const (
	startTimeout = 15 * time.Second
	stopTimeout  = 30 * time.Second
	httpTimeout  = 10 * time.Second
	mqTimeout    = 2 * time.Second
	dbTimeout    = 3 * time.Second

	minAuditBuffer = 50
	minAuditFlush  = 5
)

// errBuild hides why a part could not be built. The real application names a
// chain of constructors at this point; an operator learns nothing from either.
var errBuild = errors.New("could not build the application: a constructor of a required part returned an error")

type application struct {
	cfg *config.Config
	log zerolog.Logger

	redis     *cache
	limiter   *rateLimiter
	sessions  *sessionStore
	files     *fileStore
	publisher *publisher
	db        *database
	backups   *backups
	jobs      *jobService
	http      *fiber.App
}

// Serve runs the server until SIGINT or SIGTERM. An error means that the start
// failed; once started, the process always exits 0.
func Serve() error {
	a, err := build()
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := a.start(ctx); err != nil {
		return err
	}

	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGINT, syscall.SIGTERM)
	<-quit
	a.stop()
	return nil
}

// build connects to Redis, RabbitMQ and object storage, once each and without
// a retry: whoever starts the process orders the start or restarts it.
func build() (*application, error) {
	cfg, err := config.Load()
	if err != nil {
		return nil, errBuild
	}
	if err := cfg.Validate(); err != nil {
		return nil, errBuild
	}
	a := &application{cfg: cfg, log: newLogger(cfg)}
	fmt.Printf("%s: this is the SMOKE APPLICATION, a stand-in for Trenova v0.7.2 in tests\n", cfg.App.Name)

	if a.redis, err = newRedis(cfg.Redis, a.log); err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	if a.backups, err = newBackups(cfg, a.log); err != nil {
		return nil, errBuild
	}
	if a.publisher, err = newPublisher(cfg.RabbitMQ, a.log); err != nil {
		return nil, fmt.Errorf("rabbitmq: %w", err)
	}
	if a.files, err = newFileStore(cfg.MinIO, a.log); err != nil {
		return nil, fmt.Errorf("minio: %w", err)
	}
	a.limiter = &rateLimiter{redis: a.redis, log: a.log, now: time.Now}
	a.sessions = &sessionStore{redis: a.redis, log: a.log}
	a.db = &database{}
	a.jobs = newJobService(cfg.Redis, a.db, a.log)
	a.http = a.newHTTP()
	return a, nil
}

func (a *application) start(ctx context.Context) error {
	if err := a.limiter.load(ctx); err != nil {
		return fmt.Errorf("load scripts: %w", err)
	}
	if err := checkRedis(ctx, a.redis); err != nil {
		return fmt.Errorf("redis health check: %w", err)
	}
	if err := a.db.open(ctx, a.cfg.DB); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	a.log.Info().Msg("connected to PostgreSQL")
	if a.cfg.Audit.BufferSize < minAuditBuffer {
		return fmt.Errorf("audit buffer size must be at least %d", minAuditBuffer)
	}
	if a.cfg.Audit.FlushInterval < minAuditFlush {
		return fmt.Errorf("audit flush interval must be at least %d", minAuditFlush)
	}
	if err := a.backups.start(); err != nil {
		return fmt.Errorf("backup scheduler: %w", err)
	}

	// A listener that cannot be had is logged and nothing more: the process
	// stays, without a port.
	go func() {
		if err := a.http.Listen(a.cfg.Server.ListenAddress); err != nil {
			a.log.Error().Err(err).Msg("failed to start HTTP server")
		}
	}()
	a.log.Info().Str("listenAddress", a.cfg.Server.ListenAddress).Msg("HTTP server initialized")

	if err := a.jobs.start(); err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	return nil
}

// stop closes the parts in the reverse order of their start. Jobs go first, so
// requests are still answered while running tasks finish.
func (a *application) stop() {
	fmt.Println("Shutdown initiated, closing resources...")
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.jobs.stop()
		ctx, cancel := context.WithTimeout(context.Background(), httpTimeout)
		defer cancel()
		if err := a.http.ShutdownWithContext(ctx); err != nil {
			a.log.Error().Err(err).Msg("failed to shut the HTTP server down")
		}
		a.backups.stop()
		within(dbTimeout, a.db.close)
		within(mqTimeout, a.publisher.close)
		_ = a.redis.Close()
	}()

	select {
	case <-done:
		fmt.Println("Shutdown completed")
	case <-time.After(stopTimeout):
		fmt.Println("WARNING: shutdown took too long, some resources may not be closed properly")
	}
}

func within(d time.Duration, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(d):
	}
}
