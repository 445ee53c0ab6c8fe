package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/uptrace/bun"

	"trenova.selfhost/smoke/internal/id"
)

const (
	defaultPage = 20
	maxPage     = 100

	livePoll = 2 * time.Second
	liveMax  = 30 * time.Minute
)

func (a *application) me(c *fiber.Ctx) error {
	u, err := a.db.userByID(c.Context(), sessionOf(c).UserID)
	if err != nil {
		return a.fail(c, err)
	}
	if u == nil {
		return a.fail(c, errors.New("failed to get user by id: no rows in result set"))
	}
	return c.JSON(u)
}

func (a *application) listCustomers(c *fiber.Ctx) error {
	items := []customer{}
	return a.page(c, a.db.NewSelect().Model(&items).Order("code"), &items)
}

func (a *application) listShipments(c *fiber.Ctx) error {
	items := []shipment{}
	return a.page(c, a.db.NewSelect().Model(&items).Order("pro_number"), &items)
}

// page answers one page of the organization's rows.
func (a *application) page(c *fiber.Ctx, q *bun.SelectQuery, items any) error {
	limit := min(max(c.QueryInt("limit", defaultPage), 1), maxPage)
	offset := max(c.QueryInt("offset", 0), 0)
	total, err := q.Where("organization_id = ?", sessionOf(c).OrganizationID).
		Limit(limit).Offset(offset).ScanAndCount(c.Context())
	if err != nil {
		return a.fail(c, err)
	}
	link := func(offset int) string {
		return fmt.Sprintf("%s%s?limit=%d&offset=%d", c.BaseURL(), c.Path(), limit, offset)
	}
	next, previous := "", ""
	if offset+limit < total {
		next = link(offset + limit)
	}
	if offset > 0 {
		previous = link(max(0, offset-limit))
	}
	return c.JSON(fiber.Map{"results": items, "count": total, "next": next, "previous": previous})
}

// liveShipments is a stream of server-sent events: it polls the database, and
// an open one uses the whole HTTP shutdown time up.
func (a *application) liveShipments(c *fiber.Ctx) error {
	organizationID, last := sessionOf(c).OrganizationID, time.Now().Unix()
	return a.stream(c, func(ctx context.Context) ([]any, error) {
		items := []shipment{}
		err := a.db.NewSelect().Model(&items).
			Where("organization_id = ? AND created_at > ?", organizationID, last).Order("created_at").Scan(ctx)
		events := make([]any, 0, len(items))
		for _, s := range items {
			last = s.CreatedAt
			events = append(events, s)
		}
		return events, err
	})
}

// liveAuditLogs never has news: the smoke application keeps no audit log.
func (a *application) liveAuditLogs(c *fiber.Ctx) error {
	return a.stream(c, func(context.Context) ([]any, error) { return nil, nil })
}

func (a *application) stream(c *fiber.Ctx, poll func(context.Context) ([]any, error)) error {
	c.Set(fiber.HeaderContentType, "text/event-stream")
	c.Set(fiber.HeaderCacheControl, "no-cache")
	c.Set(fiber.HeaderConnection, "keep-alive")
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		send(w, "connected", fiber.Map{"status": "connected"})
		if w.Flush() != nil {
			return
		}
		ticker := time.NewTicker(livePoll)
		defer ticker.Stop()
		end := time.After(liveMax)
		for {
			select {
			case <-end:
				return
			case <-ticker.C:
				events, err := poll(context.Background())
				if err != nil {
					send(w, "error", fiber.Map{"error": "Failed to fetch data"})
				}
				for _, e := range events {
					send(w, "new-entry", e)
				}
				send(w, "heartbeat", fiber.Map{"timestamp": time.Now().Format(time.RFC3339)})
				if w.Flush() != nil {
					return
				}
			}
		}
	})
	return nil
}

func send(w io.Writer, event string, data any) {
	body, err := json.Marshal(data)
	if err != nil {
		return
	}
	_, _ = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, body)
}

func (a *application) uploadDocument(c *fiber.Ctx) error {
	header, err := c.FormFile("file")
	if err != nil {
		return problem(c, fiber.StatusBadRequest, "File is required")
	}
	resourceType, resourceID := c.FormValue("resourceType"), c.FormValue("resourceId")
	if resourceType == "" || resourceID == "" {
		return problem(c, fiber.StatusBadRequest, "resourceType and resourceId are required")
	}
	file, err := header.Open()
	if err != nil {
		return a.fail(c, err)
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	if err != nil {
		return a.fail(c, err)
	}

	s := sessionOf(c)
	doc := &document{
		ID:             id.New("doc_"),
		OrganizationID: s.OrganizationID,
		ResourceType:   resourceType,
		ResourceID:     resourceID,
		FileName:       header.Filename,
		FileSize:       header.Size,
		UploadedByID:   s.UserID,
		CreatedAt:      time.Now().Unix(),
	}
	doc.StoragePath = strings.Join([]string{resourceType, resourceID, doc.ID}, "/")
	bucket := bucketOf(s.OrganizationID)
	if err := a.files.save(c.Context(), bucket, doc.StoragePath, data); err != nil {
		return a.fail(c, err)
	}
	if _, err := a.db.NewInsert().Model(doc).Exec(c.Context()); err != nil {
		return a.fail(c, err)
	}
	if doc.PresignedURL, err = a.files.presign(c.Context(), bucket, doc.StoragePath); err != nil {
		return a.fail(c, err)
	}
	return c.Status(fiber.StatusCreated).JSON(doc)
}

func (a *application) listDocuments(c *fiber.Ctx) error {
	organizationID := sessionOf(c).OrganizationID
	docs := []document{}
	err := a.db.NewSelect().Model(&docs).
		Where("organization_id = ?", organizationID).
		Where("resource_type = ?", c.Params("resourceType")).
		Where("resource_id = ?", c.Params("resourceID")).
		Order("created_at DESC").Scan(c.Context())
	if err != nil {
		return a.fail(c, err)
	}
	for i := range docs {
		if docs[i].PresignedURL, err = a.files.presign(c.Context(), bucketOf(organizationID), docs[i].StoragePath); err != nil {
			return a.fail(c, err)
		}
	}
	return c.JSON(fiber.Map{"results": docs, "count": len(docs)})
}

func (a *application) listBackups(c *fiber.Ctx) error {
	return c.JSON(fiber.Map{"backups": a.backups.list()})
}

func (a *application) createBackup(c *fiber.Ctx) error {
	name, err := a.backups.create(c.Context())
	if err != nil {
		return a.fail(c, err)
	}
	return c.Status(fiber.StatusCreated).JSON(fiber.Map{"filename": name})
}

func (a *application) downloadBackup(c *fiber.Ctx) error {
	path := a.backups.path(c.Params("filename"))
	if path == "" {
		return problem(c, fiber.StatusNotFound, "Backup not found")
	}
	return c.Download(path)
}

func (a *application) deleteBackup(c *fiber.Ctx) error {
	path := a.backups.path(c.Params("filename"))
	if path == "" {
		return problem(c, fiber.StatusNotFound, "Backup not found")
	}
	if err := os.Remove(path); err != nil {
		return a.fail(c, err)
	}
	return c.SendStatus(fiber.StatusNoContent)
}

// restoreBackup exists so that a proxy has something to block. It restores
// nothing: no test may lose its database by accident.
func (a *application) restoreBackup(c *fiber.Ctx) error {
	return c.Status(fiber.StatusNotImplemented).JSON(fiber.Map{"error": "the smoke application does not restore"})
}

func (a *application) testNotification(c *fiber.Ctx) error {
	return c.JSON(fiber.Map{"success": true, "message": "Test notification sent"})
}
