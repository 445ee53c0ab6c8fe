package app

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
)

const (
	breakerFailures = 10
	breakerTimeout  = 2 * time.Second
	breakerReset    = 10 * time.Second
)

var (
	errBreakerOpen = errors.New("redis circuit breaker is open")
	errSlow        = errors.New("redis operation timed out")
)

type breakerState int32

const (
	breakerClosed breakerState = iota
	breakerIsOpen
	breakerHalfOpen
)

// breaker keeps operations from Redis after some of them have failed. Each
// process has one of its own, and nothing outside of it can see its state.
//
// A success does not forgive failures: they add up over the whole life of the
// process, so that ten slow moments of a week open it. When it was open for its
// time, the next operation begins a trial, which the first success ends.
type breaker struct {
	failures atomic.Int32
	state    atomic.Int32
	// The second of the last failure: it is open for a second less, at most.
	failed atomic.Int64
	now    func() time.Time
}

func newBreaker() *breaker { return &breaker{now: time.Now} }

func (b *breaker) current() breakerState { return breakerState(b.state.Load()) }

func (b *breaker) allows() bool {
	if b.current() != breakerIsOpen {
		return true
	}
	if b.now().Sub(time.Unix(b.failed.Load(), 0)) <= breakerReset {
		return false
	}
	if !b.state.CompareAndSwap(int32(breakerIsOpen), int32(breakerHalfOpen)) {
		return false
	}
	b.failures.Store(0)
	return true
}

func (b *breaker) succeeded() {
	if b.current() == breakerHalfOpen {
		b.state.Store(int32(breakerClosed))
		b.failures.Store(0)
	}
}

func (b *breaker) fail() {
	b.failed.Store(b.now().Unix())
	if b.failures.Add(1) >= breakerFailures {
		b.state.Store(int32(breakerIsOpen))
	}
}

// cache is Redis behind the breaker. What uses the client itself, pipelines and
// sets for instance, goes past it, as in the real application.
type cache struct {
	*redis.Client
	breaker *breaker
	log     zerolog.Logger
}

// guarded runs an operation behind the breaker. One that takes longer than its
// context or two seconds has failed, and goes on where nobody waits for it.
func guarded[T any](ctx context.Context, c *cache, operation string, run func() (T, error)) (T, error) {
	var none T
	if !c.breaker.allows() {
		c.log.Warn().Str("operation", operation).Int32("circuit_breaker_state", c.breaker.state.Load()).
			Msg("redis operation blocked by circuit breaker")
		return none, errBreakerOpen
	}
	ctx, cancel := context.WithTimeout(ctx, breakerTimeout)
	defer cancel()
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		value, err := run()
		done <- answer{value, err}
	}()

	select {
	case a := <-done:
		if a.err == nil {
			c.breaker.succeeded()
		} else if countsAsFailure(a.err) {
			c.countFailure(operation, a.err)
		}
		return a.value, a.err
	case <-ctx.Done():
		c.countFailure(operation, errSlow)
		return none, errSlow
	}
}

func (c *cache) countFailure(operation string, err error) {
	c.breaker.fail()
	c.log.Error().Err(err).Str("operation", operation).Int32("failures", c.breaker.failures.Load()).
		Int32("circuit_breaker_state", c.breaker.state.Load()).Msg("redis operation failed, circuit breaker updated")
}

// countsAsFailure judges an error by its words: a key that is not there and a
// command that Redis does not know are answers.
func countsAsFailure(err error) bool {
	for _, words := range []string{
		"connection refused", "timeout", "network", "dial tcp", "broken pipe", "connection reset", "deadline",
	} {
		if strings.Contains(err.Error(), words) {
			return true
		}
	}
	return false
}

func (c *cache) get(ctx context.Context, key string) (string, error) {
	return guarded(ctx, c, "GET", func() (string, error) { return c.Get(ctx, key).Result() })
}

func (c *cache) set(ctx context.Context, key, value string, ttl time.Duration) error {
	_, err := guarded(ctx, c, "SET", func() (string, error) { return c.Set(ctx, key, value, ttl).Result() })
	return err
}

func (c *cache) exists(ctx context.Context, key string) (bool, error) {
	n, err := guarded(ctx, c, "EXISTS", func() (int64, error) { return c.Exists(ctx, key).Result() })
	return n > 0, err
}

// getJSON and setJSON are the only uses of the JSON commands of Redis, with the
// path "." and no other.
func (c *cache) getJSON(ctx context.Context, key string) (string, error) {
	return guarded(ctx, c, "JSON.GET", func() (string, error) {
		value, err := c.JSONGet(ctx, key, ".").Result()
		// The client tells a key that is not there as an empty text.
		if err == nil && value == "" {
			err = redis.Nil
		}
		return value, err
	})
}

func (c *cache) setJSON(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	_, err := guarded(ctx, c, "JSON.SET", func() (bool, error) {
		if err := c.JSONSet(ctx, key, ".", value).Err(); err != nil {
			return false, err
		}
		return c.Expire(ctx, key, ttl).Result()
	})
	return err
}
