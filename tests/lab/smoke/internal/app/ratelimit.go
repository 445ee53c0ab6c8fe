package app

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/rs/zerolog"
)

// fixedWindow counts a request in the window that began with the first one, by
// the clock of the caller and in whole seconds. It returns whether the request
// is within the limit, how many more are, and when the window ends.
const fixedWindow = `
local began = tonumber(redis.call('GET', KEYS[2]))
local most, size, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if not began or now >= began + size then
  redis.call('SET', KEYS[2], now, 'EX', size)
  redis.call('SET', KEYS[1], 1, 'EX', size)
  return {1, most - 1, now + size}
end
local count = tonumber(redis.call('GET', KEYS[1]) or '0')
if count >= most then
  return {0, 0, began + size}
end
redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], began + size - now)
return {1, most - count - 1, began + size}
`

// limiterTimeout is that of all that one request asks of Redis for its limit.
// A Redis that takes longer is a failure for the breaker.
const limiterTimeout = 100 * time.Millisecond

// rateLimiter runs a script that is loaded once, at the start. A Redis that has
// restarted no longer knows it: every request then logs NOSCRIPT and passes,
// until the API restarts too. Where Redis cannot be asked, every request passes.
//
// The limits are part of the routes; no configuration knows them.
type rateLimiter struct {
	redis *cache
	log   zerolog.Logger
	sha   string
	now   func() time.Time
}

func (l *rateLimiter) load(ctx context.Context) (err error) {
	l.sha, err = guarded(ctx, l.redis, "SCRIPT LOAD", func() (string, error) {
		return l.redis.ScriptLoad(ctx, fixedWindow).Result()
	})
	return err
}

func (l *rateLimiter) perSecond(n int) fiber.Handler { return l.limit(n, time.Second) }

func (l *rateLimiter) perMinute(n int) fiber.Handler { return l.limit(n, time.Minute) }

// limit allows n requests in a window for each route, client and user.
func (l *rateLimiter) limit(n int, window time.Duration) fiber.Handler {
	return func(c *fiber.Ctx) error {
		ctx, cancel := context.WithTimeout(c.Context(), limiterTimeout)
		defer cancel()
		key := limitKey(c)
		v, err := l.count(ctx, key, n, window)
		if err != nil {
			l.log.Error().Err(err).Str("path", c.Path()).Msg("rate limit check failed")
			return c.Next()
		}
		if now := l.now().Unix(); v.reset <= now {
			v.reset = now + 1
			if !v.allowed {
				l.log.Warn().Str("path", c.Path()).Msg("limit exceeded in a window that is over: counter reset")
				l.reset(ctx, key)
				v.allowed, v.remaining = true, int64(n)-1
			}
		}
		c.Set("X-RateLimit-Limit", strconv.Itoa(n))
		c.Set("X-RateLimit-Remaining", strconv.FormatInt(v.remaining, 10))
		c.Set("X-RateLimit-Reset", strconv.FormatInt(v.reset, 10))
		if !v.allowed {
			l.log.Warn().Str("ip", c.IP()).Str("path", c.Path()).Int("limit", n).Msg("rate limit exceeded")
			return problem(c, fiber.StatusTooManyRequests, "Rate limit exceeded. Please try again later.")
		}
		return c.Next()
	}
}

// limitKey takes the first address of X-Forwarded-For whoever sent it: without
// a proxy that replaces the header, everybody chooses his own.
func limitKey(c *fiber.Ctx) string {
	ip := c.IP()
	if forwarded := c.Get(fiber.HeaderXForwardedFor); forwarded != "" {
		first, _, _ := strings.Cut(forwarded, ",")
		ip = strings.TrimSpace(first)
	}
	if net.ParseIP(ip) == nil {
		ip = "unknown"
	}
	key := strings.Join([]string{"ratelimit", c.Method(), strings.Trim(c.Route().Path, "/"), ip}, ":")
	if s := sessionOf(c); s != nil {
		key += ":" + s.UserID
	}
	return key
}

type verdict struct {
	allowed   bool
	remaining int64
	reset     int64
}

func (l *rateLimiter) count(ctx context.Context, key string, n int, window time.Duration) (verdict, error) {
	l.mend(ctx, key)
	keys := []string{key, key + ":window"}
	seconds, now := int(window.Seconds()), l.now().Unix()
	reply, err := guarded(ctx, l.redis, "EVALSHA", func() ([]int64, error) {
		return l.redis.EvalSha(ctx, l.sha, keys, n, seconds, now).Int64Slice()
	})
	if err != nil {
		return verdict{}, err
	}
	if len(reply) != 3 {
		return verdict{}, fmt.Errorf("rate limit script returned %d values", len(reply))
	}
	return verdict{reply[0] == 1, reply[1], reply[2]}, nil
}

// mend removes a counter without its window and the other way round.
func (l *rateLimiter) mend(ctx context.Context, key string) {
	window, err := l.redis.exists(ctx, key+":window")
	if err != nil {
		return
	}
	counter, err := l.redis.exists(ctx, key)
	if err == nil && window != counter {
		l.reset(ctx, key)
	}
}

func (l *rateLimiter) reset(ctx context.Context, key string) {
	if err := l.redis.Del(ctx, key, key+":window").Err(); err != nil {
		l.log.Error().Err(err).Msg("failed to reset rate limit counter")
	}
}
