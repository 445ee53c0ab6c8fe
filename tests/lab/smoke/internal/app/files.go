package app

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/rs/zerolog"

	"trenova.selfhost/smoke/internal/config"
)

const (
	bucketRegion  = "us-east-1"
	presignExpiry = 24 * time.Hour
)

type fileStore struct {
	client *minio.Client
	log    zerolog.Logger
}

// newFileStore lists the buckets once, so the key needs that right. The client
// obeys HTTP_PROXY and NO_PROXY.
func newFileStore(cfg config.MinIO, log zerolog.Logger) (*fileStore, error) {
	for key, value := range map[string]string{
		"endpoint": cfg.Endpoint, "accessKey": cfg.AccessKey, "secretKey": cfg.SecretKey,
	} {
		if value == "" {
			return nil, fmt.Errorf("%s is required", key)
		}
	}
	dialer := &net.Dialer{Timeout: cmp.Or(cfg.ConnectionTimeout, 10*time.Second), KeepAlive: 30 * time.Second}
	client, err := minio.New(cfg.Endpoint, &minio.Options{
		Creds:  credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""),
		Secure: cfg.UseSSL,
		Region: cfg.Region,
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         dialer.DialContext,
			MaxIdleConns:        cmp.Or(cfg.MaxIdleConns, 100),
			MaxConnsPerHost:     cmp.Or(cfg.MaxConnsPerHost, 100),
			IdleConnTimeout:     cmp.Or(cfg.IdleConnTimeout, 90*time.Second),
			TLSHandshakeTimeout: 10 * time.Second,
			DisableCompression:  true,
		},
	})
	if err != nil {
		return nil, err
	}
	if _, err := client.ListBuckets(context.Background()); err != nil {
		return nil, err
	}
	log.Info().Str("endpoint", cfg.Endpoint).Msg("object storage answers")
	return &fileStore{client: client, log: log}, nil
}

func bucketOf(organizationID string) string {
	sum := sha256.Sum256([]byte(organizationID))
	return "org-" + hex.EncodeToString(sum[:16])
}

// save stores an object. The policy is set again each time: anonymous clients
// may list and read the bucket, whatever an operator changed in between.
func (f *fileStore) save(ctx context.Context, bucket, object string, data []byte) error {
	exists, err := f.client.BucketExists(ctx, bucket)
	if err != nil {
		return fmt.Errorf("look for bucket: %w", err)
	}
	if !exists {
		if err := f.client.MakeBucket(ctx, bucket, minio.MakeBucketOptions{Region: bucketRegion}); err != nil {
			return fmt.Errorf("create bucket: %w", err)
		}
	}
	if err := f.client.SetBucketPolicy(ctx, bucket, publicPolicy(bucket)); err != nil {
		return fmt.Errorf("set bucket policy: %w", err)
	}
	_, err = f.client.PutObject(ctx, bucket, object, bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{
		ContentType:  http.DetectContentType(data),
		AutoChecksum: minio.ChecksumSHA256,
	})
	return err
}

func publicPolicy(bucket string) string {
	policy, _ := json.Marshal(map[string]any{
		"Version": "2012-10-17",
		"Statement": []map[string]any{
			{
				"Effect":    "Allow",
				"Principal": map[string]any{"AWS": []string{"*"}},
				"Action":    []string{"s3:ListBucket"},
				"Resource":  []string{"arn:aws:s3:::" + bucket},
			},
			{
				"Effect":    "Allow",
				"Principal": map[string]any{"AWS": []string{"*"}},
				"Action":    []string{"s3:GetObject"},
				"Resource":  []string{"arn:aws:s3:::" + bucket + "/*"},
			},
		},
	})
	return string(policy)
}

// presign makes a link for browsers. Its host is minio.endpoint, whether a
// browser can reach that or not; there is no other setting.
func (f *fileStore) presign(ctx context.Context, bucket, object string) (string, error) {
	u, err := f.client.PresignedGetObject(ctx, bucket, object, presignExpiry, url.Values{})
	if err != nil {
		return "", err
	}
	return u.String(), nil
}
