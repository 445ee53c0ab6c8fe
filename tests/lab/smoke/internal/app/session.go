package app

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

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
	ID             string         `json:"id"`
	UserID         string         `json:"userId"`
	BusinessUnitID string         `json:"businessUnitId"`
	OrganizationID string         `json:"organizationId"`
	IP             string         `json:"ip"`
	UserAgent      string         `json:"userAgent"`
	Status         string         `json:"status"`
	CreatedAt      int64          `json:"createdAt"`
	LastAccessedAt int64          `json:"lastAccessedAt"`
	ExpiresAt      int64          `json:"expiresAt"`
	Events         []sessionEvent `json:"events,omitempty"`
}

type sessionEvent struct {
	ID        string `json:"id"`
	SessionID string `json:"sessionId"`
	Type      string `json:"type"`
	IP        string `json:"ip"`
	UserAgent string `json:"userAgent"`
	CreatedAt int64  `json:"createdAt"`
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

// nobodysSession stands in for a session that cannot be read: its user and
// organization are invented, so that whoever is logged in is a stranger.
func nobodysSession(sessionID, ip string) *session {
	s := newSession(&user{
		ID: id.New("usr_"), BusinessUnitID: id.New("bu_"), CurrentOrganizationID: id.New("org_"),
	}, ip, "fallback-session")
	s.ID = sessionID
	return s
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

func (s *session) add(kind, ip, userAgent string) sessionEvent {
	e := sessionEvent{
		ID: id.New("sev_"), SessionID: s.ID, Type: kind, IP: ip, UserAgent: userAgent, CreatedAt: time.Now().Unix(),
	}
	s.Events = append(s.Events, e)
	return e
}

// sessionStore is the one place that needs the JSON commands of Redis.
//
// A session remembers each request that was made with it, in itself and in a
// set beside it, and both are read twice and written once with the next one: a
// session costs the more the longer it is used.
type sessionStore struct {
	redis *cache
	log   zerolog.Logger
}

func (st *sessionStore) create(ctx context.Context, s *session) error {
	event, err := json.Marshal(s.add("login", s.IP, s.UserAgent))
	if err != nil {
		return err
	}
	if err := st.save(ctx, s); err != nil {
		return err
	}
	pipe := st.redis.Pipeline()
	pipe.SAdd(ctx, "user-sessions:"+s.UserID, s.ID)
	pipe.Expire(ctx, "user-sessions:"+s.UserID, sessionTTL)
	pipe.SAdd(ctx, "session-events:"+s.ID, event)
	pipe.Expire(ctx, "session-events:"+s.ID, sessionTTL)
	_, err = pipe.Exec(ctx)
	return err
}

func (st *sessionStore) save(ctx context.Context, s *session) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return st.redis.setJSON(ctx, "session:"+s.ID, data, sessionTTL)
}

// get returns a session that is valid for the client address. While the breaker
// is open that is anybody's, for any address.
func (st *sessionStore) get(ctx context.Context, sessionID, ip string) (*session, error) {
	data, err := st.redis.getJSON(ctx, "session:"+sessionID)
	if errors.Is(err, errBreakerOpen) {
		st.log.Warn().Str("sessionId", sessionID).Msg("using a fallback session: the circuit breaker is open")
		return nobodysSession(sessionID, ip), nil
	}
	if errors.Is(err, redis.Nil) {
		return nil, errNoSession
	}
	if err != nil {
		return nil, err
	}
	s := &session{}
	if err := json.Unmarshal([]byte(data), s); err != nil {
		return nil, err
	}
	if err := s.check(ip, time.Now()); err != nil {
		return nil, err
	}
	s.Events, err = st.events(ctx, sessionID)
	return s, err
}

func (st *sessionStore) events(ctx context.Context, sessionID string) ([]sessionEvent, error) {
	members, err := st.redis.SMembers(ctx, "session-events:"+sessionID).Result()
	if err != nil {
		return nil, err
	}
	events := make([]sessionEvent, len(members))
	for i, member := range members {
		if err := json.Unmarshal([]byte(member), &events[i]); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// refresh returns a session, and has it remember the request. That this fails
// is logged and nothing more.
func (st *sessionStore) refresh(ctx context.Context, sessionID, ip, userAgent string) (*session, error) {
	s, err := st.get(ctx, sessionID, ip)
	if err != nil {
		return nil, err
	}
	if err := st.remember(ctx, sessionID, ip, userAgent); err != nil {
		st.log.Warn().Err(err).Msg("failed to update session activity")
	}
	return s, nil
}

func (st *sessionStore) remember(ctx context.Context, sessionID, ip, userAgent string) error {
	s, err := st.get(ctx, sessionID, ip)
	if err != nil {
		return err
	}
	s.LastAccessedAt = time.Now().Unix()
	event, err := json.Marshal(s.add("accessed", ip, userAgent))
	if err != nil {
		return err
	}
	if err := st.save(ctx, s); err != nil {
		return err
	}
	return st.redis.SAdd(ctx, "session-events:"+sessionID, event).Err()
}

// revoke keeps the session, marked, for the rest of its time.
func (st *sessionStore) revoke(ctx context.Context, s *session) error {
	s.Status = "Revoked"
	if err := st.save(ctx, s); err != nil {
		return err
	}
	return st.redis.SRem(ctx, "user-sessions:"+s.UserID, s.ID).Err()
}

// countLogin counts attempts by client and user; each one restarts the window.
// It goes past the breaker, so that attempts count which cannot succeed.
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
