package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"trenova.selfhost/smoke/internal/id"
)

const (
	sessionTTL      = 72 * time.Hour
	sessionLifetime = 30 * 24 * time.Hour

	loginAttempts       = 5
	loginAttemptsWindow = 15 * time.Minute
)

var (
	errNoSession      = errors.New("session not found")
	errSessionExpired = errors.New("session expired")
	errOtherClient    = errors.New("session belongs to another client address")
)

type session struct {
	ID             string `json:"id"`
	UserID         string `json:"userId"`
	BusinessUnitID string `json:"businessUnitId"`
	OrganizationID string `json:"organizationId"`
	IP             string `json:"ip"`
	UserAgent      string `json:"userAgent"`
	Status         string `json:"status"`
	CreatedAt      int64  `json:"createdAt"`
	LastAccessedAt int64  `json:"lastAccessedAt"`
	ExpiresAt      int64  `json:"expiresAt"`
}

func newSession(u *user, ip, userAgent string) *session {
	now := time.Now()
	return &session{
		ID:             id.New("ses_"),
		UserID:         u.ID,
		BusinessUnitID: u.BusinessUnitID,
		OrganizationID: u.CurrentOrganizationID,
		IP:             ip,
		UserAgent:      userAgent,
		Status:         "Active",
		CreatedAt:      now.Unix(),
		LastAccessedAt: now.Unix(),
		ExpiresAt:      now.Add(sessionLifetime).Unix(),
	}
}

// check binds a session to the client address: with a wrong proxy setting,
// whoever gets a new address is logged out.
func (s *session) check(ip string, now time.Time) error {
	if s.ID == "" || s.Status != "Active" {
		return errNoSession
	}
	if now.Unix() >= s.ExpiresAt || now.Unix() >= s.CreatedAt+int64(sessionTTL.Seconds()) {
		return errSessionExpired
	}
	if s.IP != ip {
		return errOtherClient
	}
	return nil
}

// sessionStore is the one place that needs the JSON commands of Redis, and
// JSON.SET and JSON.GET with the path "." are the only ones.
type sessionStore struct {
	redis *redis.Client
}

func (st *sessionStore) create(ctx context.Context, s *session) error {
	if err := st.save(ctx, s); err != nil {
		return err
	}
	pipe := st.redis.Pipeline()
	pipe.SAdd(ctx, "user-sessions:"+s.UserID, s.ID)
	pipe.Expire(ctx, "user-sessions:"+s.UserID, sessionTTL)
	pipe.SAdd(ctx, "session-events:"+s.ID, fmt.Sprintf(`{"type":"login","at":%d}`, s.CreatedAt))
	pipe.Expire(ctx, "session-events:"+s.ID, sessionTTL)
	_, err := pipe.Exec(ctx)
	return err
}

func (st *sessionStore) save(ctx context.Context, s *session) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := st.redis.JSONSet(ctx, "session:"+s.ID, ".", data).Err(); err != nil {
		return err
	}
	return st.redis.Expire(ctx, "session:"+s.ID, sessionTTL).Err()
}

// get returns a session that is valid for the client address.
func (st *sessionStore) get(ctx context.Context, sessionID, ip string) (*session, error) {
	data, err := st.redis.JSONGet(ctx, "session:"+sessionID, ".").Result()
	if errors.Is(err, redis.Nil) || (err == nil && data == "") {
		return nil, errNoSession
	}
	if err != nil {
		return nil, err
	}
	s := &session{}
	if err := json.Unmarshal([]byte(data), s); err != nil {
		return nil, err
	}
	return s, s.check(ip, time.Now())
}

func (st *sessionStore) delete(ctx context.Context, s *session) error {
	pipe := st.redis.Pipeline()
	pipe.Del(ctx, "session:"+s.ID)
	pipe.SRem(ctx, "user-sessions:"+s.UserID, s.ID)
	_, err := pipe.Exec(ctx)
	return err
}

// countLogin counts attempts by client and user; each one restarts the window.
func (st *sessionStore) countLogin(ctx context.Context, ip, userID string) (int64, error) {
	key := loginKey(ip, userID)
	pipe := st.redis.Pipeline()
	count := pipe.Incr(ctx, key)
	pipe.Expire(ctx, key, loginAttemptsWindow)
	_, err := pipe.Exec(ctx)
	return count.Val(), err
}

func (st *sessionStore) forgetLogins(ctx context.Context, ip, userID string) error {
	return st.redis.Del(ctx, loginKey(ip, userID)).Err()
}

func loginKey(ip, userID string) string { return "login_attempts:" + ip + ":" + userID }
