// Package id makes prefixed identifiers: "usr_" and 26 characters that sort by
// the time of their creation.
package id

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"regexp"
	"time"
)

var (
	encoding = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)
	shape    = regexp.MustCompile(`^[a-z]+_[0-9A-HJKMNP-TV-Z]{26}$`)
)

// New returns a fresh identifier; prefix includes the underscore.
func New(prefix string) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(time.Now().UnixMilli())<<16)
	_, _ = rand.Read(b[6:]) // does not fail: crypto/rand ends the process instead
	return prefix + encoding.EncodeToString(b[:])
}

// Valid tells whether s looks like an identifier.
func Valid(s string) bool { return shape.MatchString(s) }
