package app

// This file holds everything that only the smoke application has: a few routes
// under /api/v1/smoke that let a test fill queues and publish messages.

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/hibiken/asynq"

	"trenova.selfhost/smoke/internal/id"
)

const (
	taskTouch   = "smoke:touch"
	maxTouches  = 10_000
	maxTouchFor = 10 * time.Minute
)

type touch struct {
	Batch   string `json:"batch"`
	Seq     int    `json:"seq"`
	Queue   string `json:"queue"`
	SleepMS int    `json:"sleepMs"`
}

func (a *application) smokeRoutes(r fiber.Router) {
	r.Post("/jobs", a.smokeEnqueue)
	r.Get("/jobs", a.smokeJobs)
	r.Post("/publish", a.smokePublish)
}

// touch writes one row each time it is processed, so a test can tell lost tasks
// (rows are missing) from repeated ones (more rows than sequence numbers).
func (j *jobService) touch(ctx context.Context, t *asynq.Task) error {
	var p touch
	if err := json.Unmarshal(t.Payload(), &p); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(p.SleepMS) * time.Millisecond):
	}
	hostname, _ := os.Hostname()
	_, err := j.db.ExecContext(ctx,
		"INSERT INTO smoke_jobs (batch, seq, queue, hostname) VALUES (?, ?, ?, ?)", p.Batch, p.Seq, p.Queue, hostname)
	return err
}

// smokeEnqueue puts {"count", "queue", "sleepMs"} tasks into a queue and returns
// the batch they belong to. The queue may be one that nobody consumes.
func (a *application) smokeEnqueue(c *fiber.Ctx) error {
	req := struct {
		Count   int    `json:"count"`
		Queue   string `json:"queue"`
		SleepMS int    `json:"sleepMs"`
	}{Count: 1, Queue: "default"}
	if len(c.Body()) > 0 {
		if err := c.BodyParser(&req); err != nil {
			return problem(c, fiber.StatusBadRequest, err.Error())
		}
	}
	if req.Count < 1 || req.Count > maxTouches || req.Queue == "" ||
		req.SleepMS < 0 || req.SleepMS > int(maxTouchFor.Milliseconds()) {
		return problem(c, fiber.StatusBadRequest, "count, queue or sleepMs is out of range")
	}
	batch := id.New("batch_")
	for seq := range req.Count {
		t := touch{Batch: batch, Seq: seq, Queue: req.Queue, SleepMS: req.SleepMS}
		if err := a.jobs.enqueue(c.Context(), req.Queue, taskTouch, t); err != nil {
			return a.fail(c, err)
		}
	}
	return c.Status(fiber.StatusAccepted).JSON(fiber.Map{"batch": batch, "enqueued": req.Count})
}

// smokeJobs counts the processed tasks, of one batch with ?batch=, and the
// sizes of all queues.
func (a *application) smokeJobs(c *fiber.Ctx) error {
	var rows, distinct int
	q := a.db.NewSelect().Table("smoke_jobs").ColumnExpr("count(*)").ColumnExpr("count(DISTINCT (batch, seq))")
	if batch := c.Query("batch"); batch != "" {
		q = q.Where("batch = ?", batch)
	}
	if err := q.Scan(c.Context(), &rows, &distinct); err != nil {
		return a.fail(c, err)
	}
	queues, err := a.jobs.queues()
	if err != nil {
		return a.fail(c, err)
	}
	return c.JSON(fiber.Map{"rows": rows, "distinct": distinct, "queues": queues})
}

// smokePublish publishes through the publisher that never reconnects. Without a
// routing key the message goes to the application's own queue.
func (a *application) smokePublish(c *fiber.Ctx) error {
	req := struct {
		RoutingKey string `json:"routingKey"`
		Message    any    `json:"message"`
	}{RoutingKey: a.cfg.RabbitMQ.QueueName, Message: "smoke"}
	if len(c.Body()) > 0 {
		if err := c.BodyParser(&req); err != nil {
			return problem(c, fiber.StatusBadRequest, err.Error())
		}
	}
	if err := a.publisher.publish(c.Context(), req.RoutingKey, req.Message); err != nil {
		return a.fail(c, err)
	}
	return c.Status(fiber.StatusAccepted).JSON(fiber.Map{"published": true})
}
