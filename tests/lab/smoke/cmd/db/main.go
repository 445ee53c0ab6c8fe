// Command trenova-db is the database CLI of the smoke application.
//
// Its commands are doubled ("trenova-db db migrate"), and init, migrate and
// rollback print failures and still exit 0: judge them by their effect.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/pgdriver"
	"github.com/uptrace/bun/migrate"

	"trenova.selfhost/smoke/internal/config"
	"trenova.selfhost/smoke/internal/migrations"
	"trenova.selfhost/smoke/internal/seed"
)

func main() {
	if err := newRoot().Execute(); err != nil {
		os.Exit(1)
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{Use: "db", Short: "Database CLI of the smoke application"}

	db := &cobra.Command{Use: "db", Short: "Manage the database"}
	db.AddCommand(
		command("init", "Create the migration tables", runInit),
		command("migrate", "Apply all pending migrations", runMigrate),
		command("rollback", "Roll the last group of migrations back", runRollback),
		command("reset", "Drop schema public and create it anew", runReset),
		command("seed", "Load the demo data of ./test/fixtures", runSeed),
	)
	redisCmd := &cobra.Command{Use: "redis", Short: "Manage Redis"}
	redisCmd.AddCommand(command("flushall", "Delete all keys of all databases", runFlushAll))

	root.AddCommand(db, redisCmd)
	return root
}

func command(use, short string, run func(context.Context)) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Run: func(*cobra.Command, []string) { run(context.Background()) }}
}

func runInit(ctx context.Context) {
	if err := newMigrator().Init(ctx); err != nil {
		fmt.Printf("Failed to initialize migration tables: %v\n", err)
		return
	}
	fmt.Println("Migration tables created successfully")
}

func runMigrate(ctx context.Context) {
	m := newMigrator()
	withLock(ctx, m, func() {
		group, err := m.Migrate(ctx)
		switch {
		case err != nil:
			fmt.Printf("Migration failed: %v\n", err)
		case group.IsZero():
			fmt.Println("There are no new migrations to run (database is up to date)")
		default:
			fmt.Printf("Migrated to %s\n", group)
		}
	})
}

func runRollback(ctx context.Context) {
	m := newMigrator()
	withLock(ctx, m, func() {
		group, err := m.Rollback(ctx)
		switch {
		case err != nil:
			fmt.Printf("Rollback failed: %v\n", err)
		case group.IsZero():
			fmt.Println("There are no groups to roll back")
		default:
			fmt.Printf("Rolled back %s\n", group)
		}
	})
}

// withLock holds the migration lock, a row in bun_migration_locks. A process
// that dies in between leaves it behind, and no command removes it.
func withLock(ctx context.Context, m *migrate.Migrator, f func()) {
	if err := m.Lock(ctx); err != nil {
		fmt.Printf("Failed to lock migrations: %v\n", err)
		return
	}
	defer func() {
		if err := m.Unlock(ctx); err != nil {
			fmt.Printf("Failed to unlock migrations: %v\n", err)
		}
	}()
	f()
}

func runReset(ctx context.Context) {
	if _, err := openDB().ExecContext(ctx, "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"); err != nil {
		log.Fatalf("Failed to drop database: %v", err)
	}
	fmt.Println("Schema dropped and recreated successfully")
}

// runSeed is one of the commands that do exit 1 on failure.
func runSeed(ctx context.Context) {
	db := openDB()
	if err := seed.Fixtures(ctx, db, "./test/fixtures"); err != nil {
		log.Fatalf("Failed to load fixtures: %v", err)
	}
	fmt.Println("Fixtures loaded successfully")
	if err := seed.Accounts(ctx, db, os.Stdout); err != nil {
		log.Fatalf("Failed to load additional fixtures: %v", err)
	}
	fmt.Println("Additional fixtures loaded successfully")
}

// runFlushAll says nothing, whether it worked or not.
func runFlushAll(ctx context.Context) {
	cfg := mustLoad().Redis
	redis.NewClient(&redis.Options{Addr: cfg.Addr, Password: cfg.Password, DB: cfg.DB}).FlushAll(ctx)
}

func newMigrator() *migrate.Migrator {
	m, err := migrations.Load()
	if err != nil {
		log.Fatalf("Failed to read migrations: %v", err)
	}
	// Without WithMarkAppliedOnSuccess a migration is recorded before it runs:
	// one that failed counts as applied, and the next run passes it over.
	return migrate.NewMigrator(openDB(), m)
}

// openDB uses pgdriver, which knows no pool parameters: an sslMode of
// "disable&pool_max_conns=20" works for the API and fails here.
func openDB() *bun.DB {
	sqldb := sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(mustLoad().DB.DSN())))
	return bun.NewDB(sqldb, pgdialect.New())
}

func mustLoad() *config.Config {
	cfg, err := config.Load()
	if err != nil {
		log.Fatalf("Failed to load config: %v", err)
	}
	return cfg
}
