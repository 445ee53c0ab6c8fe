package app

import (
	"errors"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/compress"
	"github.com/gofiber/fiber/v2/middleware/cors"
	"github.com/gofiber/fiber/v2/middleware/encryptcookie"
	"github.com/gofiber/fiber/v2/middleware/favicon"
	"github.com/gofiber/fiber/v2/middleware/helmet"
	"github.com/gofiber/fiber/v2/middleware/requestid"
	"github.com/rs/zerolog"

	"trenova.selfhost/smoke/internal/config"
)

const bodyLimit = 16 * 1024 * 1024

// newServer sets the middleware up. There is no recover middleware: a panic in
// a request ends the process. encryptcookie panics here if the key is empty,
// and at the first cookie it sets if the key is not an AES key in base64; cors
// panics here if credentials are allowed for every origin.
func newServer(cfg *config.Config, log zerolog.Logger) *fiber.App {
	s := cfg.Server
	app := fiber.New(fiber.Config{
		AppName:                 cfg.App.Name,
		BodyLimit:               bodyLimit,
		ReadBufferSize:          s.ReadBufferSize,
		WriteBufferSize:         s.WriteBufferSize,
		EnableTrustedProxyCheck: s.EnableTrustedProxyCheck,
		ProxyHeader:             s.ProxyHeader,
		EnableIPValidation:      s.EnableIPValidation,
		Prefork:                 s.EnablePrefork,
		StreamRequestBody:       s.StreamRequestBody,
		DisableStartupMessage:   s.DisableStartupMessage,
		StrictRouting:           s.StrictRouting,
		CaseSensitive:           s.CaseSensitive,
		Immutable:               s.Immutable,
		EnablePrintRoutes:       s.EnablePrintRoutes,
		PassLocalsToViews:       s.PassLocalsToViews,
		ErrorHandler:            errorHandler(log),
	})
	app.Use(
		favicon.New(),
		compress.New(),
		helmet.New(),
		encryptcookie.New(encryptcookie.Config{Key: s.SecretKey}),
		cors.New(cors.Config{
			AllowOrigins:     cfg.CORS.AllowedOrigins,
			AllowCredentials: cfg.CORS.AllowCredentials,
			AllowHeaders:     cfg.CORS.AllowedHeaders,
			AllowMethods:     cfg.CORS.AllowedMethods,
		}),
		requestid.New(),
	)
	return app
}

// newHTTP adds the routes. /health, /ready and /metrics do not exist.
func (a *application) newHTTP() *fiber.App {
	app := newServer(a.cfg, a.log)
	v1 := app.Group("/api/v1")

	auth := v1.Group("/auth")
	auth.Post("/login", a.login)
	auth.Post("/logout", a.logout)
	auth.Post("/check-email", a.checkEmail)
	auth.Post("/validate-session", a.validateSession)

	// From here on every path needs a session, those that do not exist too.
	v1.Use(a.authenticate)
	v1.Get("/users/me", a.limiter.perSecond(50), a.me)
	v1.Get("/customers", a.limiter.perSecond(5), a.permitted, a.listCustomers)
	v1.Get("/shipments", a.limiter.perSecond(5), a.permitted, a.listShipments)
	v1.Get("/shipments/live", a.permitted, a.liveShipments)
	v1.Get("/audit-logs/live", a.liveAuditLogs)
	v1.Post("/documents/upload", a.limiter.perSecond(30), a.permitted, a.uploadDocument)
	v1.Get("/documents/:resourceType/:resourceID", a.limiter.perSecond(5), a.permitted, a.listDocuments)
	v1.Get("/database-backups", a.limiter.perMinute(60), a.permitted, a.listBackups)
	v1.Post("/database-backups", a.limiter.perMinute(5), a.permitted, a.createBackup)
	v1.Post("/database-backups/restore", a.limiter.perMinute(5), a.permitted, a.restoreBackup)
	v1.Get("/database-backups/:filename", a.limiter.perMinute(60), a.permitted, a.downloadBackup)
	v1.Delete("/database-backups/:filename", a.limiter.perMinute(5), a.permitted, a.deleteBackup)
	v1.Post("/test/notification", a.testNotification)
	v1.Post("/test/org-notification", a.testNotification)

	a.smokeRoutes(v1.Group("/smoke", a.permitted))
	return app
}

func errorHandler(log zerolog.Logger) fiber.ErrorHandler {
	return func(c *fiber.Ctx, err error) error {
		code, message := fiber.StatusInternalServerError, "Internal Server Error"
		var e *fiber.Error
		if errors.As(err, &e) {
			code, message = e.Code, e.Message
		}
		log.Error().Err(err).Str("method", c.Method()).Str("path", c.Path()).Str("ip", c.IP()).
			Int("code", code).Msg("HTTP request error")
		return c.Status(code).JSON(fiber.Map{"error": fiber.Map{"code": code, "message": message}})
	}
}

// problem answers with an error in the shape of RFC 9457.
func problem(c *fiber.Ctx, status int, detail string) error {
	return c.Status(status).JSON(fiber.Map{"title": statusTitle(status), "status": status, "detail": detail})
}

func statusTitle(status int) string {
	switch status {
	case fiber.StatusBadRequest:
		return "Validation Failed"
	case fiber.StatusForbidden:
		return "Authorization Failed"
	case fiber.StatusNotFound:
		return "Resource Not Found"
	case fiber.StatusTooManyRequests:
		return "Rate Limit Exceeded"
	default:
		return "Internal Server Error"
	}
}

// fail logs the cause and answers 500.
func (a *application) fail(c *fiber.Ctx, err error) error {
	a.log.Error().Err(err).Str("method", c.Method()).Str("path", c.Path()).Msg("request error occurred")
	return problem(c, fiber.StatusInternalServerError, err.Error())
}
