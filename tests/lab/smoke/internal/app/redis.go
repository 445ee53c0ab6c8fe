package app

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"trenova.selfhost/smoke/internal/config"
	"trenova.selfhost/smoke/internal/id"
)

// newRedis connects and pings. What is called the time to connect is also that
// after which an idle connection is closed.
func newRedis(cfg config.Redis, log zerolog.Logger) (*cache, error) {
	timeout := cmp.Or(cfg.ConnTimeout, 5*time.Second)
	client := redis.NewClient(&redis.Options{
		Addr:            cfg.Addr,
		Password:        cfg.Password,
		DB:              cfg.DB,
		ConnMaxIdleTime: timeout,
		ReadTimeout:     cmp.Or(cfg.ReadTimeout, 3*time.Second),
		WriteTimeout:    cmp.Or(cfg.WriteTimeout, 3*time.Second),
		PoolSize:        cmp.Or(cfg.PoolSize, 10),
		MinIdleConns:    cmp.Or(cfg.MinIdleConns, 10),
		OnConnect: func(ctx context.Context, conn *redis.Conn) error {
			return conn.Ping(ctx).Err()
		},
	})
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := client.Ping(ctx).Err(); err != nil {
		_ = client.Close()
		return nil, err
	}
	log.Info().Str("addr", cfg.Addr).Int("db", cfg.DB).Msg("redis connection successful")
	return &cache{Client: client, breaker: newBreaker(), log: log}, nil
}

// checkRedis writes, reads and deletes a key. It uses no JSON command: a Redis
// without them is noticed at the first login, not here.
func checkRedis(ctx context.Context, c *cache) error {
	key := "health:" + id.New("chk_")
	if err := c.set(ctx, key, "ok", time.Minute); err != nil {
		return err
	}
	value, err := c.get(ctx, key)
	if err != nil {
		return err
	}
	if value != "ok" {
		return errors.New("redis returned another value than was written")
	}
	return c.Del(ctx, key).Err()
}
