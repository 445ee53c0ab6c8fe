package app

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const loginBody = `{"emailAddress":"admin@trenova.test","password":"secret"}`

func (w *world) askFrom(t *testing.T, address, method, path, body string) int {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Forwarded-For", address)
	if w.cookie != "" {
		r.Header.Set("Cookie", w.cookie)
	}
	resp, err := w.http.Test(r, 20_000)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if set := resp.Header.Get("Set-Cookie"); set != "" && resp.StatusCode == 200 {
		w.cookie, _, _ = strings.Cut(set, ";")
	}
	return resp.StatusCode
}

func (w *world) login(t *testing.T) int {
	t.Helper()
	w.cookie = ""
	return w.ask(t, "POST", "/api/v1/auth/login", loginBody)
}

// open lets operations fail until the breaker opens.
func (w *world) open(t *testing.T) {
	t.Helper()
	w.fail(t, breakerFailures)
	if w.app.redis.breaker.current() != breakerIsOpen {
		t.Fatal("the breaker is not open")
	}
}

func (w *world) fail(t *testing.T, times int) {
	t.Helper()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range times {
		if _, err := w.app.redis.get(ended, "x"); err == nil {
			t.Fatal("an operation whose context has ended succeeded")
		}
	}
}

func TestLoggedInWithAWellRedis(t *testing.T) {
	w := newWorld(t)
	if status := w.login(t); status != 200 {
		t.Fatalf("login: %d", status)
	}
	for path, want := range map[string]int{"/api/v1/": 404, "/api/v1/users/me": 200} {
		if status := w.ask(t, "GET", path, ""); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status := w.askFrom(t, "203.0.113.8", "GET", "/api/v1/users/me", ""); status != 401 {
		t.Errorf("from another address: %d", status)
	}
	if status := w.ask(t, "POST", "/api/v1/auth/logout", ""); status != 204 {
		t.Errorf("logout: %d", status)
	}
	if status := w.ask(t, "GET", "/api/v1/users/me", ""); status != 401 {
		t.Errorf("after the logout: %d", status)
	}
}

func TestWithAnOpenBreaker(t *testing.T) {
	w := newWorld(t)
	w.login(t)
	cookie := w.cookie
	w.open(t)
	asked := w.redis.times("JSON.GET")

	for name, c := range map[string]struct {
		method, path string
		want         int
	}{
		"the user is a stranger":               {"GET", "/api/v1/users/me", 500},
		"and may do nothing":                   {"GET", "/api/v1/shipments", 403},
		"customers neither":                    {"GET", "/api/v1/customers", 403},
		"no jobs":                              {"GET", "/api/v1/smoke/jobs", 403},
		"a session is called valid":            {"POST", "/api/v1/auth/validate-session", 200},
		"and cannot be ended":                  {"POST", "/api/v1/auth/logout", 500},
		"what does not exist is told him, too": {"GET", "/api/v1/", 404},
	} {
		w.cookie = cookie
		if status := w.ask(t, c.method, c.path, ""); status != c.want {
			t.Errorf("%s: %s answered %d, not %d", name, c.path, status, c.want)
		}
	}
	if w.redis.times("JSON.GET") != asked {
		t.Error("Redis was asked")
	}
	if !strings.Contains(w.log.String(), "redis operation blocked by circuit breaker") {
		t.Error("nothing is logged")
	}
	w.cookie = cookie
	if status := w.askFrom(t, "198.51.100.1", "GET", "/api/v1/", ""); status != 404 {
		t.Errorf("another address is let in as well, this one got %d", status)
	}
	w.cookie = ""
	if status := w.ask(t, "GET", "/api/v1/", ""); status != 401 {
		t.Errorf("probe: %d", status)
	}
	w.cookie = testCookie + "=ses_0123456789ABCDEFGHJKMNPQRS"
	if status := w.ask(t, "GET", "/api/v1/", ""); status != 401 {
		t.Errorf("an invented session: %d", status)
	}
}

func TestLoginsFailAndCountWhileTheBreakerIsOpen(t *testing.T) {
	w := newWorld(t)
	w.open(t)
	for attempt := range loginAttempts {
		if status := w.login(t); status != 500 {
			t.Fatalf("attempt %d: %d", attempt, status)
		}
	}
	w.clock.pass(11 * time.Second)
	if status := w.login(t); status != 429 {
		t.Fatalf("the sixth, of a breaker that would let it pass: %d", status)
	}
}

func TestASlowRedisOpensTheBreakerAndTimeClosesIt(t *testing.T) {
	w := newWorld(t)
	w.login(t)
	cookie := w.cookie
	w.redis.slow(3 * time.Second)

	var wait sync.WaitGroup
	for range breakerFailures {
		wait.Add(1)
		go func() {
			defer wait.Done()
			_, _ = w.app.redis.get(context.Background(), "x")
		}()
	}
	began := time.Now()
	wait.Wait()
	if took := time.Since(began); took < breakerTimeout || took > breakerTimeout+time.Second {
		t.Errorf("an operation was given up after %s", took)
	}
	w.redis.slow(0)
	if status := w.login(t); status != 500 {
		t.Errorf("login: %d", status)
	}
	w.clock.pass(10 * time.Second)
	if status := w.login(t); status != 500 {
		t.Errorf("login ten seconds later: %d", status)
	}
	w.clock.pass(time.Second)
	if status := w.login(t); status != 200 {
		t.Errorf("login eleven seconds later: %d", status)
	}
	w.cookie = cookie
	if status := w.ask(t, "GET", "/api/v1/users/me", ""); status != 200 {
		t.Errorf("the old session: %d", status)
	}
}

func TestASlowRedisLetsHoldersOfASessionInAsStrangers(t *testing.T) {
	w := newWorld(t)
	w.login(t)
	w.redis.slow(breakerTimeout + 500*time.Millisecond)
	if status := w.ask(t, "GET", "/api/v1/", ""); status != 404 {
		t.Fatalf("%d", status)
	}
	if w.app.redis.breaker.current() != breakerClosed {
		t.Error("one slow operation opened the breaker")
	}
}

func TestAStoppedRedisIs401UntilTheBreakerOpens(t *testing.T) {
	w := newWorld(t)
	w.login(t)
	cookie := w.cookie
	// A port that nobody listens on.
	_ = w.redis.listener.Close()
	w.app.redis.Client = redis.NewClient(&redis.Options{Addr: w.redis.listener.Addr().String(), MaxRetries: -1})
	for range breakerFailures {
		w.cookie = cookie
		if status := w.ask(t, "GET", "/api/v1/users/me", ""); status != 401 {
			t.Fatalf("%d", status)
		}
	}
	w.cookie = cookie
	if status := w.ask(t, "GET", "/api/v1/users/me", ""); status != 500 {
		t.Fatalf("after the breaker opened: %d", status)
	}
}

func TestFailuresAddUpOverTheWholeLife(t *testing.T) {
	w := newWorld(t)
	for range breakerFailures - 1 {
		w.fail(t, 1)
		if _, err := w.app.redis.exists(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		w.clock.pass(time.Hour)
	}
	if w.app.redis.breaker.current() != breakerClosed {
		t.Fatal("open before the tenth failure")
	}
	w.fail(t, 1)
	if w.app.redis.breaker.current() != breakerIsOpen {
		t.Fatal("the tenth failure did not open it")
	}
}

func TestTheBreakerTriesBeforeItCloses(t *testing.T) {
	w := newWorld(t)
	b := w.app.redis.breaker
	w.open(t)
	w.clock.pass(11 * time.Second)
	// A key that is not there is neither a success nor a failure.
	if _, err := w.app.redis.getJSON(t.Context(), "session:none"); err == errBreakerOpen {
		t.Fatal("blocked after its time")
	}
	if b.current() != breakerHalfOpen || b.failures.Load() != 0 {
		t.Fatalf("state %d with %d failures", b.current(), b.failures.Load())
	}
	w.fail(t, breakerFailures-1)
	if !b.allows() {
		t.Fatal("open again before the tenth failure")
	}
	if err := w.app.redis.set(t.Context(), "x", "y", time.Minute); err != nil {
		t.Fatal(err)
	}
	if b.current() != breakerClosed || b.failures.Load() != 0 {
		t.Fatalf("state %d with %d failures", b.current(), b.failures.Load())
	}
}

func TestAnswersAreNoFailures(t *testing.T) {
	w := newWorld(t)
	for range 2 * breakerFailures {
		_, _ = w.app.redis.get(t.Context(), "nothing")
		_, _ = guarded(t.Context(), w.app.redis, "ODD", func() (any, error) { return w.app.redis.Do(t.Context(), "ODD").Result() })
	}
	if w.app.redis.breaker.current() != breakerClosed {
		t.Fatal("open")
	}
}

func TestStartDoesNotNoticeABreakerAndTheProbeTouchesNothing(t *testing.T) {
	w := newWorld(t)
	before := w.redis.times("EXISTS") + w.redis.times("JSON.GET") + w.redis.times("EVALSHA")
	for range 50 {
		if status := w.ask(t, "GET", "/api/v1/", ""); status != 401 {
			t.Fatalf("%d", status)
		}
	}
	if after := w.redis.times("EXISTS") + w.redis.times("JSON.GET") + w.redis.times("EVALSHA"); after != before {
		t.Error("the probe asks Redis")
	}
}

func TestASessionRemembersEachRequest(t *testing.T) {
	w := newWorld(t)
	w.login(t)
	size := func() int {
		w.redis.mu.Lock()
		defer w.redis.mu.Unlock()
		for key, value := range w.redis.values {
			if strings.HasPrefix(key, "session:") {
				return len(value)
			}
		}
		return 0
	}
	before := size()
	for range 20 {
		w.ask(t, "GET", "/api/v1/users/me", "")
	}
	if grown := size() - before; grown < 20*100 {
		t.Errorf("it grew by %d bytes", grown)
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t)
	w.login(t)
	asked := func(path string, times int) map[int]int {
		found := map[int]int{}
		for range times {
			found[w.ask(t, "GET", path, "")]++
		}
		return found
	}
	if got := asked("/api/v1/users/me", 55); got[200] != 50 || got[429] != 5 {
		t.Errorf("a user reads himself: %v", got)
	}
	w.clock.pass(time.Second)
	if got := asked("/api/v1/users/me", 10); got[200] != 10 {
		t.Errorf("a second later: %v", got)
	}
	// Another client of the same user has a counter of its own.
	asked("/api/v1/users/me", 50)
	w.cookie = ""
	if status := w.askFrom(t, "203.0.113.9", "POST", "/api/v1/auth/login", loginBody); status != 200 {
		t.Fatalf("login: %d", status)
	}
	found := map[int]int{}
	for range 50 {
		found[w.askFrom(t, "203.0.113.9", "GET", "/api/v1/users/me", "")]++
	}
	if found[200] != 50 {
		t.Errorf("from another address: %v", found)
	}
	if !strings.Contains(w.log.String(), "rate limit exceeded") {
		t.Error("nothing is logged")
	}
}

func TestAfterARestartOfRedisNothingIsLimited(t *testing.T) {
	w := newWorld(t)
	w.redis.restart()
	w.login(t)
	for range 60 {
		if status := w.ask(t, "GET", "/api/v1/users/me", ""); status != 200 {
			t.Fatalf("%d", status)
		}
	}
	if !strings.Contains(w.log.String(), "NOSCRIPT") {
		t.Error("nothing is logged")
	}
	if w.app.redis.breaker.failures.Load() != 0 {
		t.Error("the breaker counts it")
	}
}

func TestALimitThatTakesATenthOfASecondCountsAsAFailure(t *testing.T) {
	w := newWorld(t)
	w.login(t)
	w.redis.slow(150 * time.Millisecond)
	if status := w.ask(t, "GET", "/api/v1/users/me", ""); status != 200 {
		t.Fatalf("the request passes: %d", status)
	}
	if w.app.redis.breaker.failures.Load() == 0 {
		t.Error("the breaker does not count it")
	}
}
