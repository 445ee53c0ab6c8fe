// Package config reads the configuration file by the rules of Trenova v0.7.2.
//
// Several of those rules surprise an operator. They are kept on purpose: a
// deployment that satisfies this loader satisfies the real one.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
	"github.com/spf13/viper"
)

// Config holds every key that v0.7.2 has a field for. Keys without a field
// (server.host, server.port, app.logLevel, …) are accepted and have no effect.
type Config struct {
	App      App      `mapstructure:"app"`
	Logging  Logging  `mapstructure:"logging"`
	Server   Server   `mapstructure:"server"`
	DB       DB       `mapstructure:"db"`
	Redis    Redis    `mapstructure:"redis"`
	RabbitMQ RabbitMQ `mapstructure:"rabbitmq"`
	Auth     Auth     `mapstructure:"auth"`
	Audit    Audit    `mapstructure:"audit"`
	MinIO    MinIO    `mapstructure:"minio"`
	CORS     CORS     `mapstructure:"cors"`
	Static   Static   `mapstructure:"static"`
	Backup   Backup   `mapstructure:"backup"`
}

type App struct {
	Name        string `mapstructure:"name"`
	Environment string `mapstructure:"environment"`
	Version     string `mapstructure:"version"`
}

type Logging struct {
	Level            string        `mapstructure:"level"`
	SamplingPeriod   time.Duration `mapstructure:"samplingPeriod"`
	SamplingInterval uint32        `mapstructure:"samplingInterval"`
	File             LogFile       `mapstructure:"file"`
}

type LogFile struct {
	Enabled    bool   `mapstructure:"enabled"`
	Path       string `mapstructure:"path"`
	FileName   string `mapstructure:"fileName"`
	MaxSize    int    `mapstructure:"maxSize"`
	MaxBackups int    `mapstructure:"maxBackups"`
	MaxAge     int    `mapstructure:"maxAge"`
	Compress   bool   `mapstructure:"compress"`
}

type Server struct {
	ListenAddress           string `mapstructure:"listenAddress"`
	SecretKey               string `mapstructure:"secretKey"`
	Immutable               bool   `mapstructure:"immutable"`
	PassLocalsToViews       bool   `mapstructure:"passLocalsToViews"`
	DisableStartupMessage   bool   `mapstructure:"disableStartupMessage"`
	StreamRequestBody       bool   `mapstructure:"streamRequestBody"`
	StrictRouting           bool   `mapstructure:"strictRouting"`
	CaseSensitive           bool   `mapstructure:"caseSensitive"`
	EnableIPValidation      bool   `mapstructure:"enableIPValidation"`
	EnableTrustedProxyCheck bool   `mapstructure:"enableTrustedProxyCheck"`
	EnablePrefork           bool   `mapstructure:"enablePrefork"`
	EnablePrintRoutes       bool   `mapstructure:"enablePrintRoutes"`
	ReadBufferSize          int    `mapstructure:"readBufferSize"`
	WriteBufferSize         int    `mapstructure:"writeBufferSize"`
	ProxyHeader             string `mapstructure:"proxyHeader"`
}

type DB struct {
	Driver          string `mapstructure:"driver"`
	Host            string `mapstructure:"host"`
	Port            int    `mapstructure:"port"`
	Username        string `mapstructure:"username"`
	Password        string `mapstructure:"password"`
	Database        string `mapstructure:"database"`
	SSLMode         string `mapstructure:"sslMode"`
	MaxConnections  int    `mapstructure:"maxConnections"`
	MaxIdleConns    int    `mapstructure:"maxIdleConns"`
	ConnMaxLifetime int    `mapstructure:"connMaxLifetime"` // seconds
	ConnMaxIdleTime int    `mapstructure:"connMaxIdleTime"` // seconds
	Debug           bool   `mapstructure:"debug"`
}

type Redis struct {
	Addr         string        `mapstructure:"addr"`
	Password     string        `mapstructure:"password"`
	DB           int           `mapstructure:"db"`
	ConnTimeout  time.Duration `mapstructure:"connTimeout"`
	ReadTimeout  time.Duration `mapstructure:"readTimeout"`
	WriteTimeout time.Duration `mapstructure:"writeTimeout"`
	PoolSize     int           `mapstructure:"poolSize"`
	MinIdleConns int           `mapstructure:"minIdleConns"`
}

type RabbitMQ struct {
	Host         string        `mapstructure:"host"`
	Port         int           `mapstructure:"port"`
	Username     string        `mapstructure:"username"`
	Password     string        `mapstructure:"password"`
	VHost        string        `mapstructure:"vhost"`
	ExchangeName string        `mapstructure:"exchangeName"`
	QueueName    string        `mapstructure:"queueName"`
	Timeout      time.Duration `mapstructure:"timeout"`
}

type Auth struct {
	SessionCookieName string `mapstructure:"sessionCookieName"`
	CookiePath        string `mapstructure:"cookiePath"`
	CookieDomain      string `mapstructure:"cookieDomain"`
	CookieSecure      bool   `mapstructure:"cookieSecure"`
	CookieHTTPOnly    bool   `mapstructure:"cookieHTTPOnly"`
	CookieSameSite    string `mapstructure:"cookieSameSite"`
}

type Audit struct {
	BufferSize           int  `mapstructure:"bufferSize"`
	FlushInterval        int  `mapstructure:"flushInterval"` // seconds
	MaxRetries           int  `mapstructure:"maxRetries"`
	CompressionEnabled   bool `mapstructure:"compressionEnabled"`
	CompressionLevel     int  `mapstructure:"compressionLevel"`
	CompressionThreshold int  `mapstructure:"compressionThreshold"`
}

type MinIO struct {
	Endpoint          string        `mapstructure:"endpoint"`
	AccessKey         string        `mapstructure:"accessKey"`
	SecretKey         string        `mapstructure:"secretKey"`
	Region            string        `mapstructure:"region"`
	UseSSL            bool          `mapstructure:"useSSL"`
	ConnectionTimeout time.Duration `mapstructure:"connectionTimeout"`
	RequestTimeout    time.Duration `mapstructure:"requestTimeout"`
	MaxRetries        int           `mapstructure:"maxRetries"`
	MaxIdleConns      int           `mapstructure:"maxIdleConns"`
	MaxConnsPerHost   int           `mapstructure:"maxConnsPerHost"`
	IdleConnTimeout   time.Duration `mapstructure:"idleConnTimeout"`
}

type CORS struct {
	AllowedOrigins   string `mapstructure:"allowedOrigins"`
	AllowedHeaders   string `mapstructure:"allowedHeaders"`
	AllowedMethods   string `mapstructure:"allowedMethods"`
	AllowCredentials bool   `mapstructure:"allowCredentials"`
	MaxAge           int    `mapstructure:"maxAge"`
}

type Static struct {
	Path   string `mapstructure:"path"`
	Browse bool   `mapstructure:"browse"`
	Root   string `mapstructure:"root"`
}

type Backup struct {
	Enabled              bool          `mapstructure:"enabled"`
	BackupDir            string        `mapstructure:"backupDir"`
	RetentionDays        int           `mapstructure:"retentionDays"`
	Schedule             string        `mapstructure:"schedule"`
	Compression          int           `mapstructure:"compression"`
	MaxConcurrentBackups int           `mapstructure:"maxConcurrentBackups"`
	BackupTimeout        time.Duration `mapstructure:"backupTimeout"`
	NotifyOnFailure      bool          `mapstructure:"notifyOnFailure"`
	NotifyOnSuccess      bool          `mapstructure:"notifyOnSuccess"`
	NotificationEmail    string        `mapstructure:"notificationEmail"`
}

// defaults are also the only keys that an environment variable can set without
// the key being in the file: viper unmarshals keys it knows, and no others.
var defaults = map[string]any{
	"app.environment":             "development",
	"app.version":                 "0.0.1",
	"db.driver":                   "postgresql",
	"db.sslMode":                  "disable",
	"db.maxConnections":           100,
	"db.maxIdleConns":             10,
	"db.connMaxLifetime":          3600,
	"backup.enabled":              false,
	"backup.backupDir":            "./backups",
	"backup.retentionDays":        30,
	"backup.schedule":             "0 0 * * *",
	"backup.compression":          6,
	"backup.maxConcurrentBackups": 1,
	// Meant as seconds, read as a duration: 1.8 µs. Kept, it is a trap.
	"backup.backupTimeout":   30 * 60,
	"backup.notifyOnFailure": true,
	"backup.notifyOnSuccess": false,
}

// Load reads config.<APP_ENV>.yaml. Paths are relative to the working
// directory; neither a flag nor a variable names another file.
func Load() (*Config, error) {
	env := os.Getenv("APP_ENV")
	if env == "" {
		env = "development"
	}

	v := viper.New()
	for key, value := range defaults {
		v.SetDefault(key, value)
	}
	v.SetConfigName("config." + env)
	v.SetConfigType("yaml")
	v.AddConfigPath("config/" + env)
	v.AddConfigPath("config")
	v.AddConfigPath(".")

	// TRENOVA_SERVER_SECRETKEY, not …_SECRET_KEY: keys are upper-cased as they
	// are, and an empty variable counts as unset.
	v.SetEnvPrefix("TRENOVA")
	v.SetEnvKeyReplacer(strings.NewReplacer(".", "_"))
	v.AutomaticEnv()

	if err := v.ReadInConfig(); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	cfg := &Config{}
	if err := v.Unmarshal(cfg); err != nil {
		return nil, fmt.Errorf("decode configuration: %w", err)
	}

	// Placeholders work in these six fields and nowhere else.
	for _, field := range []*string{
		&cfg.RabbitMQ.Username, &cfg.RabbitMQ.Password,
		&cfg.DB.Username, &cfg.DB.Password,
		&cfg.MinIO.AccessKey, &cfg.MinIO.SecretKey,
	} {
		*field = expand(*field)
	}
	return cfg, nil
}

// expand resolves a field that consists of one placeholder. Anything else goes
// through os.ExpandEnv, which silently eats "$x" inside a password.
func expand(value string) string {
	name, fallback, ok := splitPlaceholder(value)
	if !ok {
		return os.ExpandEnv(value)
	}
	return cmp.Or(os.Getenv(name), fallback)
}

// splitPlaceholder takes "${NAME}" or "${NAME:-fallback}" apart.
func splitPlaceholder(value string) (name, fallback string, ok bool) {
	inner, ok := strings.CutPrefix(value, "${")
	if !ok {
		return "", "", false
	}
	if inner, ok = strings.CutSuffix(inner, "}"); !ok {
		return "", "", false
	}
	name, fallback, _ = strings.Cut(inner, ":-")
	isNameRune := func(r rune) bool { return r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' }
	rest := strings.TrimLeftFunc(name, isNameRune)
	return name, fallback, name != "" && rest == ""
}

// Validate checks what the API checks before it builds anything. The database
// CLI does not call it.
func (c *Config) Validate() error {
	required := []struct {
		missing bool
		key     string
	}{
		{c.App.Name == "", "app.name"},
		{c.Server.ListenAddress == "", "server.listenAddress"},
		{c.DB.Host == "", "db.host"},
		{c.DB.Port == 0, "db.port"},
		{c.DB.Database == "", "db.database"},
		{c.DB.Username == "", "db.username"},
	}
	for _, r := range required {
		if r.missing {
			return fmt.Errorf("%s is required", r.key)
		}
	}
	if c.Backup.Enabled {
		if c.Backup.Compression < 1 || c.Backup.Compression > 9 {
			return errors.New("backup.compression must be between 1 and 9")
		}
		if c.Backup.Schedule != "" {
			if _, err := cron.ParseStandard(c.Backup.Schedule); err != nil {
				return fmt.Errorf("backup.schedule: %w", err)
			}
		}
	}
	return nil
}

// DSN is built without any escaping: a password with a reserved character
// breaks it, and sslMode may smuggle further parameters in.
func (d DB) DSN() string {
	if d.Driver != "postgresql" {
		return ""
	}
	return fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=%s",
		d.Username, d.Password, net.JoinHostPort(d.Host, strconv.Itoa(d.Port)), d.Database, d.SSLMode)
}

// URL is built without any escaping, like DB.DSN. The virtual host "/" becomes
// the empty path, which brokers read as the default virtual host.
func (r RabbitMQ) URL() string {
	return fmt.Sprintf("amqp://%s:%s@%s/%s",
		r.Username, r.Password, net.JoinHostPort(r.Host, strconv.Itoa(r.Port)), strings.TrimPrefix(r.VHost, "/"))
}
