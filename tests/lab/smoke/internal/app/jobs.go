package app

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/rs/zerolog"

	"trenova.selfhost/smoke/internal/config"
)

const (
	taskAnalyze = "pattern:analyze"
	taskExpire  = "pattern:expire_suggestions"

	// queueSystem is filled by the scheduler and consumed by nobody.
	queueSystem  = "system"
	queuePattern = "pattern_analysis"
)

// consumed are the queues that workers take tasks from, with their weights.
// Neither these nor the concurrency can be configured.
var consumed = map[string]int{"critical": 6, queuePattern: 2, "compliance": 1, "default": 1}

const concurrency = 10

// jobService runs workers and a scheduler in every instance: there is no
// worker-only mode, and two instances enqueue each cron task twice.
type jobService struct {
	client    *asynq.Client
	inspector *asynq.Inspector
	server    *asynq.Server
	scheduler *asynq.Scheduler
	db        *database
	log       zerolog.Logger
	started   bool
}

func newJobService(cfg config.Redis, db *database, log zerolog.Logger) *jobService {
	opt := asynq.RedisClientOpt{Addr: cfg.Addr, Password: cfg.Password, DB: cfg.DB}
	return &jobService{
		client:    asynq.NewClient(opt),
		inspector: asynq.NewInspector(opt),
		server: asynq.NewServer(opt, asynq.Config{
			Concurrency:    concurrency,
			Queues:         consumed,
			RetryDelayFunc: retryDelay,
			ErrorHandler: asynq.ErrorHandlerFunc(func(_ context.Context, t *asynq.Task, err error) {
				log.Error().Err(err).Str("job_type", t.Type()).Msg("job failed")
			}),
		}),
		scheduler: asynq.NewScheduler(opt, &asynq.SchedulerOpts{LogLevel: asynq.WarnLevel}),
		db:        db,
		log:       log,
	}
}

func retryDelay(n int, _ error, _ *asynq.Task) time.Duration {
	return time.Duration(1<<n) * time.Second
}

func (j *jobService) start() error {
	mux := asynq.NewServeMux()
	mux.HandleFunc(taskAnalyze, j.analyze)
	mux.HandleFunc(taskExpire, j.expire)
	mux.HandleFunc(taskTouch, j.touch)
	if err := j.server.Start(mux); err != nil {
		return err
	}
	j.started = true

	for _, entry := range cronEntries() {
		if _, err := j.scheduler.Register(entry.spec, asynq.NewTask(entry.task, entry.payload), entry.opts...); err != nil {
			return fmt.Errorf("%s: %w", entry.spec, err)
		}
	}
	return j.scheduler.Start()
}

type cronEntry struct {
	spec    string
	task    string
	payload []byte
	opts    []asynq.Option
}

// cronEntries returns the schedule, in UTC. The first entry is described as
// daily by the real application and runs every ten minutes in v0.7.2.
func cronEntries() []cronEntry {
	payload := []byte(`{"triggerReason":"scheduled"}`)
	return []cronEntry{
		{"@every 10m", taskAnalyze, payload, []asynq.Option{asynq.Queue(queuePattern), asynq.Retention(24 * time.Hour)}},
		{"0 1 * * 0", taskAnalyze, payload, []asynq.Option{asynq.Queue(queuePattern), asynq.MaxRetry(3)}},
		{"0 */6 * * *", taskExpire, payload, []asynq.Option{asynq.Queue(queueSystem), asynq.MaxRetry(2)}},
	}
}

// stop lets running tasks finish for asynq's eight seconds; what is not done by
// then goes back into its queue.
func (j *jobService) stop() {
	if !j.started {
		return
	}
	j.scheduler.Shutdown()
	j.server.Shutdown()
	_ = j.client.Close()
	_ = j.inspector.Close()
}

func (j *jobService) analyze(ctx context.Context, _ *asynq.Task) error {
	n, err := j.db.NewSelect().Model((*shipment)(nil)).Count(ctx)
	if err == nil {
		j.log.Info().Int("shipments", n).Msg("pattern analysis done")
	}
	return err
}

func (j *jobService) expire(context.Context, *asynq.Task) error { return nil }

// queues returns the sizes of all queues that exist.
func (j *jobService) queues() (map[string]queueSizes, error) {
	names, err := j.inspector.Queues()
	if err != nil {
		return nil, err
	}
	sizes := map[string]queueSizes{}
	for _, name := range names {
		info, err := j.inspector.GetQueueInfo(name)
		if err != nil {
			return nil, err
		}
		sizes[name] = queueSizes{info.Pending, info.Active, info.Scheduled, info.Retry, info.Archived, info.Completed}
	}
	return sizes, nil
}

type queueSizes struct {
	Pending   int `json:"pending"`
	Active    int `json:"active"`
	Scheduled int `json:"scheduled"`
	Retry     int `json:"retry"`
	Archived  int `json:"archived"`
	Completed int `json:"completed"`
}

func (j *jobService) enqueue(ctx context.Context, queue, task string, payload any) error {
	data, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	_, err = j.client.EnqueueContext(ctx, asynq.NewTask(task, data), asynq.Queue(queue), asynq.MaxRetry(3))
	return err
}
