package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"trenova.selfhost/smoke/internal/config"
)

// database wraps a pgx pool in database/sql. The pool's own limit,
// max(4, number of CPUs), is the real one; only pool_max_conns in the DSN
// raises it, and that has to come in through db.sslMode.
type database struct {
	*bun.DB
	pool *pgxpool.Pool
}

// open connects and pings. It does not look at the schema: the API starts on an
// empty database.
func (d *database) open(ctx context.Context, cfg config.DB) error {
	pool, err := openPool(ctx, cfg)
	if err != nil {
		return err
	}
	sqldb := stdlib.OpenDBFromPool(pool)
	sqldb.SetMaxOpenConns(cfg.MaxConnections)
	sqldb.SetMaxIdleConns(cfg.MaxIdleConns)
	sqldb.SetConnMaxLifetime(time.Duration(cfg.ConnMaxLifetime) * time.Second)
	sqldb.SetConnMaxIdleTime(time.Duration(cfg.ConnMaxIdleTime) * time.Second)
	if err := sqldb.PingContext(ctx); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	d.DB, d.pool = bun.NewDB(sqldb, pgdialect.New()), pool
	return nil
}

func openPool(ctx context.Context, cfg config.DB) (*pgxpool.Pool, error) {
	dsn := cfg.DSN()
	if dsn == "" {
		return nil, errors.New("database connection string is empty")
	}
	poolCfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	// No prepared statements: transaction pooling is safe.
	poolCfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	return pgxpool.NewWithConfig(ctx, poolCfg)
}

func (d *database) close() {
	if d.DB == nil {
		return
	}
	_ = d.DB.Close()
	d.pool.Close()
}

type user struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID                    string `bun:"id,pk"                   json:"id"`
	BusinessUnitID        string `bun:"business_unit_id"        json:"businessUnitId"`
	CurrentOrganizationID string `bun:"current_organization_id" json:"currentOrganizationId"`
	Status                string `bun:"status"                  json:"status"`
	Name                  string `bun:"name"                    json:"name"`
	Username              string `bun:"username"                json:"username"`
	Password              string `bun:"password"                json:"-"`
	EmailAddress          string `bun:"email_address"           json:"emailAddress"`
	Timezone              string `bun:"timezone"                json:"timezone"`
	IsLocked              bool   `bun:"is_locked"               json:"isLocked"`
	LastLoginAt           int64  `bun:"last_login_at"           json:"lastLoginAt"`
}

type customer struct {
	bun.BaseModel `bun:"table:customers,alias:c"`

	ID             string `bun:"id,pk"           json:"id"`
	OrganizationID string `bun:"organization_id" json:"organizationId"`
	Code           string `bun:"code"            json:"code"`
	Name           string `bun:"name"            json:"name"`
}

type shipment struct {
	bun.BaseModel `bun:"table:shipments,alias:s"`

	ID             string `bun:"id,pk"           json:"id"`
	OrganizationID string `bun:"organization_id" json:"organizationId"`
	CustomerID     string `bun:"customer_id"     json:"customerId"`
	ProNumber      string `bun:"pro_number"      json:"proNumber"`
	BOL            string `bun:"bol"             json:"bol"`
	Status         string `bun:"status"          json:"status"`
	Weight         int    `bun:"weight"          json:"weight"`
	CreatedAt      int64  `bun:"created_at"      json:"createdAt"`
}

type document struct {
	bun.BaseModel `bun:"table:documents,alias:d"`

	ID             string `bun:"id,pk"           json:"id"`
	OrganizationID string `bun:"organization_id" json:"organizationId"`
	ResourceType   string `bun:"resource_type"   json:"resourceType"`
	ResourceID     string `bun:"resource_id"     json:"resourceId"`
	FileName       string `bun:"file_name"       json:"fileName"`
	FileSize       int64  `bun:"file_size"       json:"fileSize"`
	StoragePath    string `bun:"storage_path"    json:"storagePath"`
	UploadedByID   string `bun:"uploaded_by_id"  json:"uploadedById"`
	CreatedAt      int64  `bun:"created_at"      json:"createdAt"`
	PresignedURL   string `bun:"-"               json:"presignedUrl"`
}

// userByEmail compares the address as it is written. It returns nil if there is
// no such user.
func (d *database) userByEmail(ctx context.Context, email string) (*user, error) {
	return d.user(ctx, "email_address = ?", email)
}

func (d *database) userByID(ctx context.Context, userID string) (*user, error) {
	return d.user(ctx, "id = ?", userID)
}

func (d *database) user(ctx context.Context, where, value string) (*user, error) {
	u := &user{}
	err := d.NewSelect().Model(u).Where(where, value).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return u, err
}
