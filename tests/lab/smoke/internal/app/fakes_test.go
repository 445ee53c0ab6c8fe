package app

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"golang.org/x/crypto/bcrypt"

	"trenova.selfhost/smoke/internal/config"
)

// fakeRedis is a server that knows the commands that the application uses, and
// can be slow, or forget everything.
type fakeRedis struct {
	listener net.Listener
	mu       sync.Mutex
	values   map[string]string
	sets     map[string]map[string]bool
	scripts  map[string]bool
	delay    time.Duration
	asked    map[string]int
}

func newFakeRedis(t *testing.T) *fakeRedis {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeRedis{listener: listener}
	f.restart()
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go f.serve(connection)
		}
	}()
	return f
}

// restart forgets all that a Redis without persistence does, scripts included.
func (f *fakeRedis) restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.values, f.sets = map[string]string{}, map[string]map[string]bool{}
	f.scripts, f.asked = map[string]bool{}, map[string]int{}
}

func (f *fakeRedis) slow(delay time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delay = delay
}

func (f *fakeRedis) times(command string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[command]
}

func (f *fakeRedis) serve(connection net.Conn) {
	defer connection.Close()
	reader := bufio.NewReader(connection)
	for {
		words, err := readCommand(reader)
		if err != nil {
			return
		}
		f.mu.Lock()
		delay, answer := f.delay, f.answer(words)
		f.mu.Unlock()
		time.Sleep(delay)
		if _, err := io.WriteString(connection, answer); err != nil {
			return
		}
	}
}

func readCommand(reader *bufio.Reader) ([]string, error) {
	number := func() (int, error) {
		line, err := reader.ReadString('\n')
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	count, err := number()
	words := make([]string, count)
	for i := range words {
		size, err := number()
		if err != nil {
			return nil, err
		}
		word := make([]byte, size+2)
		if _, err := io.ReadFull(reader, word); err != nil {
			return nil, err
		}
		words[i] = string(word[:size])
	}
	return words, err
}

func bulk(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }

func whole(n int) string { return fmt.Sprintf(":%d\r\n", n) }

// answer is called with the lock held.
func (f *fakeRedis) answer(words []string) string {
	name := strings.ToUpper(words[0])
	f.asked[name]++
	switch name {
	case "PING":
		return "+PONG\r\n"
	case "CLIENT":
		return "+OK\r\n"
	case "SET", "JSON.SET":
		f.values[words[1]] = words[map[string]int{"SET": 2, "JSON.SET": 3}[name]]
		return "+OK\r\n"
	case "GET", "JSON.GET":
		if value, ok := f.values[words[1]]; ok {
			return bulk(value)
		}
		return "$-1\r\n"
	case "EXISTS":
		_, ok := f.values[words[1]]
		return whole(map[bool]int{true: 1}[ok])
	case "DEL":
		for _, key := range words[1:] {
			delete(f.values, key)
		}
		return whole(1)
	case "EXPIRE":
		return whole(1)
	case "INCR":
		n, _ := strconv.Atoi(f.values[words[1]])
		f.values[words[1]] = strconv.Itoa(n + 1)
		return whole(n + 1)
	case "SADD":
		if f.sets[words[1]] == nil {
			f.sets[words[1]] = map[string]bool{}
		}
		f.sets[words[1]][words[2]] = true
		return whole(1)
	case "SREM":
		delete(f.sets[words[1]], words[2])
		return whole(1)
	case "SMEMBERS":
		answer := fmt.Sprintf("*%d\r\n", len(f.sets[words[1]]))
		for member := range f.sets[words[1]] {
			answer += bulk(member)
		}
		return answer
	case "SCRIPT":
		f.scripts["sha"] = true
		return bulk("sha")
	case "EVALSHA":
		return f.fixedWindow(words[1], words[3:])
	}
	return "-ERR unknown command\r\n"
}

// fixedWindow does what the script of the limiter does.
func (f *fakeRedis) fixedWindow(sha string, words []string) string {
	if !f.scripts[sha] {
		return "-NOSCRIPT No matching script. Please use EVAL.\r\n"
	}
	most, _ := strconv.Atoi(words[2])
	size, _ := strconv.Atoi(words[3])
	now, _ := strconv.Atoi(words[4])
	began, ok := f.values[words[1]]
	start, _ := strconv.Atoi(began)
	count, _ := strconv.Atoi(f.values[words[0]])
	allowed := 1
	switch {
	case !ok || now >= start+size:
		start, count = now, 1
	case count >= most:
		allowed = 0
	default:
		count++
	}
	f.values[words[0]], f.values[words[1]] = strconv.Itoa(count), strconv.Itoa(start)
	return "*3\r\n" + whole(allowed) + whole(most-count) + whole(start+size)
}

// connect returns a client of the fake server, with a clock of the test.
func (f *fakeRedis) connect(t *testing.T, c *clock, log io.Writer) *cache {
	t.Helper()
	client := redis.NewClient(&redis.Options{
		Addr: f.listener.Addr().String(), Protocol: 2, DisableIndentity: true, MaxRetries: -1,
	})
	t.Cleanup(func() { _ = client.Close() })
	b := newBreaker()
	b.now = c.now
	return &cache{Client: client, breaker: b, log: zerolog.New(log)}
}

type clock struct {
	mu   sync.Mutex
	time time.Time
}

func newClock() *clock { return &clock{time: time.Unix(1_750_000_000, 0)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.time
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.time = c.time.Add(d)
}

// fakeUsers is a database that holds one user, and answers every other question
// with no rows.
type fakeUsers struct{ user *user }

func (f fakeUsers) open() *database { return &database{DB: bun.NewDB(sql.OpenDB(f), pgdialect.New())} }

func (f fakeUsers) Connect(context.Context) (driver.Conn, error) { return f, nil }
func (f fakeUsers) Driver() driver.Driver                        { return nil }
func (f fakeUsers) Prepare(string) (driver.Stmt, error)          { return nil, driver.ErrSkip }
func (f fakeUsers) Close() error                                 { return nil }
func (f fakeUsers) Begin() (driver.Tx, error)                    { return nil, driver.ErrSkip }

func (f fakeUsers) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}

func (f fakeUsers) QueryContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	known := strings.Contains(query, "'"+f.user.ID+"'") || strings.Contains(query, "'"+f.user.EmailAddress+"'")
	return &fakeRows{user: f.user, left: map[bool]int{true: 1}[known]}, nil
}

type fakeRows struct {
	user *user
	left int
}

func (r *fakeRows) Columns() []string {
	return []string{"id", "business_unit_id", "current_organization_id", "status", "password", "email_address"}
}

func (r *fakeRows) Close() error { return nil }

func (r *fakeRows) Next(row []driver.Value) error {
	if r.left == 0 {
		return io.EOF
	}
	r.left--
	u := r.user
	for i, value := range []string{
		u.ID, u.BusinessUnitID, u.CurrentOrganizationID, u.Status, u.Password, u.EmailAddress,
	} {
		row[i] = value
	}
	return nil
}

// world is the application over a fake Redis and a database with one user.
type world struct {
	app    *application
	http   *fiber.App
	redis  *fakeRedis
	clock  *clock
	log    *lockedBuffer
	cookie string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	u := &user{
		ID: "usr_00000000000000000000000001", BusinessUnitID: "bu_1", CurrentOrganizationID: "org_1", Status: "Active",
		Password: string(hash), EmailAddress: "admin@trenova.test",
	}
	cfg := testConfig()
	cfg.Server.ProxyHeader = fiber.HeaderXForwardedFor
	cfg.Server.EnableIPValidation = true
	w := &world{redis: newFakeRedis(t), clock: newClock(), log: &lockedBuffer{}}
	w.app = testWorld(t, w, cfg, u)
	w.http = w.app.newHTTP()
	return w
}

func testWorld(t *testing.T, w *world, cfg *config.Config, u *user) *application {
	t.Helper()
	log := zerolog.New(w.log)
	c := w.redis.connect(t, w.clock, w.log)
	a := &application{
		cfg: cfg, log: log, redis: c, db: fakeUsers{u}.open(),
		sessions: &sessionStore{redis: c, log: log},
		limiter:  &rateLimiter{redis: c, log: log, now: w.clock.now},
	}
	if err := a.limiter.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

// ask sends a request of one client and returns the status.
func (w *world) ask(t *testing.T, method, path, body string) int {
	t.Helper()
	return w.askFrom(t, "203.0.113.7", method, path, body)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
