package app

import (
	"errors"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/crypto/bcrypt"

	"trenova.selfhost/smoke/internal/id"
)

const (
	sessionLocal    = "session"
	maxCookieLength = 128
)

type loginRequest struct {
	EmailAddress string `json:"emailAddress"`
	Password     string `json:"password"`
	RememberMe   bool   `json:"rememberMe"`
}

// login checks in this order: does the user exist, were there too many
// attempts, is the account active, does the password match. An inactive account
// thus answers 403 whatever the password is.
func (a *application) login(c *fiber.Ctx) error {
	var req loginRequest
	if err := c.BodyParser(&req); err != nil {
		return c.Status(fiber.StatusBadRequest).JSON(fiber.Map{"error": err.Error()})
	}
	if req.EmailAddress == "" || req.Password == "" {
		return problem(c, fiber.StatusBadRequest, "Email address and password are required")
	}
	u, err := a.db.userByEmail(c.Context(), req.EmailAddress)
	if err != nil {
		return a.fail(c, err)
	}
	if u == nil {
		return problem(c, fiber.StatusBadRequest, "User with this email address not found")
	}
	count, err := a.sessions.countLogin(c.Context(), c.IP(), u.ID)
	if err != nil {
		a.log.Error().Err(err).Msg("failed to count login attempts")
	}
	if count > loginAttempts {
		return problem(c, fiber.StatusTooManyRequests, "Too many login attempts, please try again later")
	}
	if reason := blocked(u); reason != "" {
		return problem(c, fiber.StatusForbidden, reason)
	}
	if bcrypt.CompareHashAndPassword([]byte(u.Password), []byte(req.Password)) != nil {
		return problem(c, fiber.StatusBadRequest, "Invalid password. Please try again.")
	}

	s := newSession(u, c.IP(), c.Get(fiber.HeaderUserAgent))
	if err := a.sessions.create(c.Context(), s); err != nil {
		return a.fail(c, err)
	}
	if _, err := a.db.ExecContext(c.Context(), "UPDATE users SET last_login_at = ? WHERE id = ?", s.CreatedAt, u.ID); err != nil {
		a.log.Error().Err(err).Msg("failed to update last login")
	}
	if err := a.sessions.forgetLogins(c.Context(), c.IP(), u.ID); err != nil {
		a.log.Error().Err(err).Msg("failed to reset login attempts")
	}
	a.setCookie(c, s.ID, time.Now().Add(sessionTTL))
	return c.JSON(fiber.Map{"user": u, "sessionId": s.ID, "expiresAt": s.ExpiresAt})
}

// blocked returns why an account may not log in, or "".
func blocked(u *user) string {
	switch {
	case u.Status != "Active":
		return "Your account is not active. Please contact your system administrator."
	case u.IsLocked:
		return "Your account is locked. Please contact your system administrator."
	}
	return ""
}

func (a *application) logout(c *fiber.Ctx) error {
	sessionID := c.Cookies(a.cfg.Auth.SessionCookieName)
	if sessionID == "" {
		return c.JSON(fiber.Map{"error": "No session ID found"})
	}
	s, err := a.sessions.get(c.Context(), sessionID, c.IP())
	if err == nil {
		err = a.sessions.revoke(c.Context(), s)
	}
	if err != nil {
		return a.fail(c, err)
	}
	a.setCookie(c, "", time.Now().Add(-time.Hour))
	return c.SendStatus(fiber.StatusNoContent)
}

// checkEmail is the one route without a session that reads the database.
func (a *application) checkEmail(c *fiber.Ctx) error {
	var req loginRequest
	if err := c.BodyParser(&req); err != nil {
		return c.Status(fiber.StatusBadRequest).JSON(fiber.Map{"error": err.Error()})
	}
	if req.EmailAddress == "" {
		return problem(c, fiber.StatusBadRequest, "Email address is required")
	}
	u, err := a.db.userByEmail(c.Context(), req.EmailAddress)
	if err != nil {
		return a.fail(c, err)
	}
	if u == nil {
		return problem(c, fiber.StatusBadRequest, "User with this email address not found")
	}
	if reason := blocked(u); reason != "" {
		return problem(c, fiber.StatusForbidden, reason)
	}
	return c.JSON(fiber.Map{"valid": true})
}

func (a *application) validateSession(c *fiber.Ctx) error {
	sessionID := c.Cookies(a.cfg.Auth.SessionCookieName)
	if sessionID == "" {
		return c.Status(fiber.StatusUnauthorized).JSON(fiber.Map{"error": "No session ID found"})
	}
	if _, err := a.sessions.get(c.Context(), sessionID, c.IP()); err != nil {
		return a.fail(c, err)
	}
	return c.JSON(fiber.Map{"valid": true})
}

// authenticate answers 401 without touching anything if there is no cookie,
// which makes GET /api/v1/ a probe, of the server and of nothing behind it. A
// cookie that is not encrypted with our key arrives as an empty one. While Redis
// is slow or its breaker open, whoever has a session is let in as a stranger.
func (a *application) authenticate(c *fiber.Ctx) error {
	sessionID := c.Cookies(a.cfg.Auth.SessionCookieName)
	if sessionID == "" {
		return unauthorized(c, fiber.StatusUnauthorized, "unauthorized")
	}
	if len(sessionID) > maxCookieLength {
		return unauthorized(c, fiber.StatusBadRequest, "invalid session")
	}
	if !id.Valid(sessionID) {
		return unauthorized(c, fiber.StatusUnauthorized, "invalid session")
	}
	s, err := a.sessions.refresh(c.Context(), sessionID, c.IP(), c.Get(fiber.HeaderUserAgent))
	switch {
	case errors.Is(err, errSlow):
		a.log.Warn().Err(err).Msg("redis unavailable during session validation, allowing degraded access")
		s = nobodysSession(sessionID, c.IP())
	case errors.Is(err, errNoSession), errors.Is(err, errSessionExpired):
		a.setCookie(c, "", time.Now().Add(-24*time.Hour))
		return unauthorized(c, fiber.StatusUnauthorized, err.Error())
	case errors.Is(err, errOtherClient):
		return unauthorized(c, fiber.StatusUnauthorized, "invalid session")
	case err != nil:
		a.log.Error().Err(err).Msg("failed to validate session")
		return unauthorized(c, fiber.StatusUnauthorized, "invalid session")
	}
	c.Locals(sessionLocal, s)
	return c.Next()
}

func unauthorized(c *fiber.Ctx, status int, message string) error {
	return c.Status(status).JSON(fiber.Map{"error": message, "code": status})
}

// permitted stands before what the real application asks its permissions for.
// Here every known user may do everything, and a stranger nothing.
func (a *application) permitted(c *fiber.Ctx) error {
	u, err := a.db.userByID(c.Context(), sessionOf(c).UserID)
	if err != nil {
		return a.fail(c, err)
	}
	if u == nil {
		return problem(c, fiber.StatusForbidden, "You do not have permission to do this")
	}
	return c.Next()
}

// sessionOf returns the session of a request, nil where there is none.
func sessionOf(c *fiber.Ctx) *session {
	s, _ := c.Locals(sessionLocal).(*session)
	return s
}

func (a *application) setCookie(c *fiber.Ctx, value string, expires time.Time) {
	cfg := a.cfg.Auth
	c.Cookie(&fiber.Cookie{
		Name:     cfg.SessionCookieName,
		Value:    value,
		Path:     cfg.CookiePath,
		Domain:   cfg.CookieDomain,
		Expires:  expires,
		Secure:   cfg.CookieSecure,
		HTTPOnly: cfg.CookieHTTPOnly,
		SameSite: cfg.CookieSameSite,
	})
}
