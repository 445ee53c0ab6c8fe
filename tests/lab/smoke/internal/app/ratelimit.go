package app

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
)

// fixedWindow counts one request and returns the count and the seconds that
// remain of the window.
const fixedWindow = `
local count = redis.call('INCR', KEYS[1])
if count == 1 then
  redis.call('EXPIRE', KEYS[1], ARGV[1])
end
return {count, redis.call('TTL', KEYS[1])}
`

// rateLimiter runs a script that is loaded once, at the start. A Redis that has
// restarted no longer knows it: every request then logs NOSCRIPT and passes,
// until the API restarts too.
type rateLimiter struct {
	redis *redis.Client
	log   zerolog.Logger
	sha   string
}

func (l *rateLimiter) load(ctx context.Context) (err error) {
	l.sha, err = l.redis.ScriptLoad(ctx, fixedWindow).Result()
	return err
}

func (l *rateLimiter) perSecond(n int) fiber.Handler { return l.limit(n, time.Second) }

func (l *rateLimiter) perMinute(n int) fiber.Handler { return l.limit(n, time.Minute) }

// limit allows n requests in a window for each route, client and user.
func (l *rateLimiter) limit(n int, window time.Duration) fiber.Handler {
	return func(c *fiber.Ctx) error {
		key := strings.Join([]string{"ratelimit", c.Method(), strings.Trim(c.Route().Path, "/"), c.IP()}, ":")
		if s := sessionOf(c); s != nil {
			key += ":" + s.UserID
		}
		count, ttl, err := l.count(c.Context(), key, window)
		if err != nil {
			l.log.Error().Err(err).Str("path", c.Path()).Msg("rate limit check failed")
			return c.Next()
		}
		c.Set("X-RateLimit-Limit", strconv.Itoa(n))
		c.Set("X-RateLimit-Remaining", strconv.FormatInt(max(0, int64(n)-count), 10))
		c.Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Unix()+ttl, 10))
		if count > int64(n) {
			return problem(c, fiber.StatusTooManyRequests, "Rate limit exceeded. Please try again later.")
		}
		return c.Next()
	}
}

func (l *rateLimiter) count(ctx context.Context, key string, window time.Duration) (count, ttl int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	reply, err := l.redis.EvalSha(ctx, l.sha, []string{key}, int(window.Seconds())).Int64Slice()
	if err != nil {
		return 0, 0, err
	}
	if len(reply) != 2 {
		return 0, 0, fmt.Errorf("rate limit script returned %d values", len(reply))
	}
	return reply[0], reply[1], nil
}
