package app

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/rs/zerolog"

	"trenova.selfhost/smoke/internal/config"
)

const testCookie = "trv-session-id"

func testConfig() *config.Config {
	cfg := &config.Config{}
	cfg.App.Name = "test"
	cfg.Server.SecretKey = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32))
	cfg.Auth.SessionCookieName = testCookie
	cfg.CORS.AllowedOrigins = "https://demo.example.com"
	cfg.CORS.AllowCredentials = true
	return cfg
}

// testApp has no dependency at all: whatever answers touches none.
func testApp(cfg *config.Config, log io.Writer) *fiber.App {
	a := &application{cfg: cfg, log: zerolog.New(log), limiter: &rateLimiter{}}
	return a.newHTTP()
}

func request(t *testing.T, app *fiber.App, method, path string, headers ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := app.Test(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func mustPanic(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Fatal("no panic")
		}
	}()
	f()
}

func TestNoCookieIs401ForEveryPathAndLogsNothing(t *testing.T) {
	var log bytes.Buffer
	app := testApp(testConfig(), &log)
	for _, path := range []string{
		"/api/v1/", "/api/v1", "/api/v1/users/me/", "/api/v1/shipments/?limit=2", "/api/v1/shipments/live",
		"/api/v1/database-backups/", "/api/v1/smoke/jobs", "/api/v1/no/such/path",
	} {
		status, body := request(t, app, "GET", path)
		if status != 401 || !json.Valid([]byte(body)) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", log.String())
	}
}

func TestCookieThatIsNotOursIs401(t *testing.T) {
	app := testApp(testConfig(), io.Discard)
	if status, _ := request(t, app, "GET", "/api/v1/", "Cookie", testCookie+"=ses_0123456789ABCDEFGHJKMNPQRS"); status != 401 {
		t.Fatalf("%d", status)
	}
}

func TestHealthIs404AndLogsAnError(t *testing.T) {
	var log bytes.Buffer
	app := testApp(testConfig(), &log)
	for _, path := range []string{"/health", "/ready", "/metrics"} {
		log.Reset()
		status, _ := request(t, app, "GET", path)
		if status != 404 || !strings.Contains(log.String(), `"level":"error"`) {
			t.Errorf("%s: %d, log %q", path, status, log.String())
		}
	}
}

func TestSessionRoutesWithoutSession(t *testing.T) {
	app := testApp(testConfig(), io.Discard)
	if status, _ := request(t, app, "POST", "/api/v1/auth/validate-session/"); status != 401 {
		t.Errorf("validate-session: %d", status)
	}
	if status, _ := request(t, app, "POST", "/api/v1/auth/logout/"); status != 200 {
		t.Errorf("logout: %d", status)
	}
}

func TestEmptySecretKeyPanicsAtStart(t *testing.T) {
	cfg := testConfig()
	cfg.Server.SecretKey = ""
	mustPanic(t, func() { newServer(cfg, zerolog.Nop()) })
}

func TestOtherBadSecretKeysPanicAtTheFirstCookie(t *testing.T) {
	for name, key := range map[string]string{
		"no base64":    "secretKey",
		"placeholder":  "${SERVER_SECRET_KEY}",
		"wrong length": base64.StdEncoding.EncodeToString([]byte("twenty bytes, not 16")),
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			cfg.Server.SecretKey = key
			app := newServer(cfg, zerolog.Nop())
			app.Get("/plain", func(c *fiber.Ctx) error { return c.SendString("ok") })
			app.Get("/cookie", func(c *fiber.Ctx) error {
				c.Cookie(&fiber.Cookie{Name: testCookie, Value: "x"})
				return nil
			})
			if status, _ := request(t, app, "GET", "/plain"); status != 200 {
				t.Errorf("without a cookie: %d", status)
			}
			mustPanic(t, func() {
				// Handler runs in this goroutine, where the panic can be seen.
				ctx := newRequestCtx("/cookie")
				app.Handler()(ctx)
			})
		})
	}
}

func TestCookieIsEncrypted(t *testing.T) {
	app := newServer(testConfig(), zerolog.Nop())
	app.Get("/cookie", func(c *fiber.Ctx) error {
		c.Cookie(&fiber.Cookie{Name: testCookie, Value: "ses_plain"})
		return nil
	})
	resp, err := app.Test(httptest.NewRequest("GET", "/cookie", nil))
	if err != nil {
		t.Fatal(err)
	}
	if set := resp.Header.Get("Set-Cookie"); set == "" || strings.Contains(set, "ses_plain") {
		t.Fatalf("Set-Cookie: %q", set)
	}
}

func TestOrigins(t *testing.T) {
	for origins, panics := range map[string]bool{
		"":                                 true,
		"*":                                true,
		"https://demo.example.com/":        false,
		"https://demo.example.com/app":     true,
		"demo.example.com":                 true,
		"https://a.example,https://b.test": false,
	} {
		t.Run(origins, func(t *testing.T) {
			cfg := testConfig()
			cfg.CORS.AllowedOrigins = origins
			if panics {
				mustPanic(t, func() { newServer(cfg, zerolog.Nop()) })
				return
			}
			newServer(cfg, zerolog.Nop())
		})
	}
}

func TestWithoutCredentialsEveryOriginMayBeAllowed(t *testing.T) {
	cfg := testConfig()
	cfg.CORS.AllowedOrigins, cfg.CORS.AllowCredentials = "*", false
	newServer(cfg, zerolog.Nop())
}

func TestBodyLimitIs16MiB(t *testing.T) {
	app := newServer(testConfig(), zerolog.Nop())
	app.Post("/", func(c *fiber.Ctx) error { return c.SendString("ok") })
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, _ := w.CreateFormFile("file", "big")
	_, _ = part.Write(make([]byte, bodyLimit))
	_ = w.Close()
	r := httptest.NewRequest("POST", "/", &body)
	r.Header.Set("Content-Type", w.FormDataContentType())
	resp, err := app.Test(r, -1)
	// fasthttp reports the limit as an error to the test, as 413 to a client.
	if err == nil && resp.StatusCode != fiber.StatusRequestEntityTooLarge {
		t.Fatalf("%d", resp.StatusCode)
	}
}

func TestClientAddressComesFromTheProxyHeader(t *testing.T) {
	for name, c := range map[string]struct {
		trustCheck bool
		want       string
	}{
		"without a trusted list":       {false, "203.0.113.7"},
		"the trusted list stays empty": {true, "0.0.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			cfg.Server.ProxyHeader = "X-Forwarded-For"
			cfg.Server.EnableIPValidation = true
			cfg.Server.EnableTrustedProxyCheck = c.trustCheck
			app := newServer(cfg, zerolog.Nop())
			app.Get("/ip", func(c *fiber.Ctx) error { return c.SendString(c.IP()) })
			if _, got := request(t, app, "GET", "/ip", "X-Forwarded-For", "203.0.113.7, 10.0.0.2"); got != c.want {
				t.Fatalf("%q", got)
			}
		})
	}
}
