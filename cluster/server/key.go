package server

import (
	"errors"
	"strings"
)

// keyPrefix is what stands before a key in a request target.
const keyPrefix = "/v1/"

// errKeyEscape says that a percent sign is not followed by two hexadecimal digits.
var errKeyEscape = errors.New("a percent sign in the path is not followed by two hexadecimal digits")

// splitTarget takes a request target apart, in origin form or absolute form, without changing a byte of path or query.
// url.URL is not used for it: its Path is decoded, and what it gives back escaped is not always what came in.
func splitTarget(target string) (path, query string) {
	if !strings.HasPrefix(target, "/") {
		target = afterAuthority(target)
	}
	path, query, _ = strings.Cut(target, "?")
	if path == "" {
		path = "/"
	}
	return path, query
}

// afterAuthority drops scheme and authority of an absolute-form target.
func afterAuthority(target string) string {
	scheme, rest, ok := strings.Cut(target, "://")
	if !ok || strings.ContainsAny(scheme, "/?") {
		return target
	}
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		return rest[i:]
	}
	return ""
}

// appendKey appends the bytes that an escaped path means to dst. A plus sign is a plus sign.
func appendKey(dst []byte, escaped string) ([]byte, error) {
	for {
		i := strings.IndexByte(escaped, '%')
		if i < 0 {
			return append(dst, escaped...), nil
		}
		dst = append(dst, escaped[:i]...)
		if len(escaped) < i+3 {
			return dst, errKeyEscape
		}
		high, low := unhex(escaped[i+1]), unhex(escaped[i+2])
		if high|low > 15 {
			return dst, errKeyEscape
		}
		dst = append(dst, high<<4|low)
		escaped = escaped[i+3:]
	}
}

// unhex is above 15 for what is not a hexadecimal digit.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// EscapeKey writes a key as one path segment, so that it can stand behind /v1/ and no client, proxy or redirect finds
// anything in it to clean: everything but letters, digits and -_.~ is escaped, slashes too. The keys "." and ".." are
// escaped as a whole; clients that follow the WHATWG URL standard (browsers) cannot name these two at all.
func EscapeKey(key []byte) string {
	const hex = "0123456789ABCDEF"
	dots := string(key) == "." || string(key) == ".."
	var b strings.Builder
	b.Grow(len(key))
	for _, c := range key {
		if unreserved(c) && !(dots && c == '.') {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

// unreserved is RFC 3986's set of characters that never need escaping.
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.~", c) >= 0
}

// redirectPath is the path for a Location header that leads to the same key. It is the path as it came, unless a client
// that follows it would change it: dot segments would be removed (RFC 3986, 5.2.4), and a # or a byte outside of the URI
// alphabet would be read as something else. Then the key is escaped whole.
func redirectPath(path string) string {
	if redirectSafe(path) {
		return path
	}
	prefix := ""
	for _, p := range []string{keyPrefix, sessionsPath + "/"} {
		if strings.HasPrefix(path, p) {
			prefix = p
		}
	}
	key, err := appendKey(nil, path[len(prefix):])
	if err != nil { // not reached: a path that cannot be decoded is refused before
		return path
	}
	return prefix + EscapeKey(key)
}

func redirectSafe(path string) bool {
	for i := 0; i < len(path); i++ {
		if !unreserved(path[i]) && strings.IndexByte("!$&'()*+,;=:@/%", path[i]) < 0 {
			return false
		}
	}
	for segment := range strings.SplitSeq(path, "/") {
		switch strings.ToLower(strings.ReplaceAll(strings.ToLower(segment), "%2e", ".")) {
		case ".", "..":
			return false
		}
	}
	return true
}
