package server

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"testing"

	"github.com/lockstepdb/lockstep/kv"
	"github.com/stretchr/testify/require"
)

// FuzzTags parses lists of entity tags; what parses is written again and must mean the same.
func FuzzTags(f *testing.F) {
	for _, seed := range []string{`"1"`, `W/"2"`, "*", `"1", "2",W/"3"`, `,, "1",`, `"`, `W/`, `"a b"`, `"18446744073709551615"`, `"18446744073709551616"`, "* , *", `"1""2"`, "\"\xff\""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, v string) {
		parsed, err := parseTags([]string{v})
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(parsed.list), tagsMax)
		require.True(t, parsed.any != (len(parsed.list) > 0), "a star alone, or tags")
		var b strings.Builder
		if parsed.any {
			b.WriteString("*")
		}
		for _, one := range parsed.list {
			b.WriteString(", ")
			if one.weak {
				b.WriteString("W/")
			}
			b.WriteString(`"` + strconv.FormatUint(one.revision, 10) + `"`)
		}
		again, err := parseTags([]string{b.String()})
		require.NoError(t, err, b.String())
		require.Equal(t, parsed, again)
		for _, one := range parsed.list {
			require.True(t, parsed.matchesWeakly(one.revision))
			require.True(t, one.weak || parsed.matches(one.revision))
		}
		condition, revision, err := writeCondition(parsed, tags{})
		require.True(t, err != nil || condition == kv.MustExist || condition == kv.RevisionEquals && revision != 0)
	})
}

// FuzzSessionHeaders never makes a command that the state machine would judge otherwise.
func FuzzSessionHeaders(f *testing.F) {
	f.Add("1", "1", "0")
	f.Add("", "", "")
	f.Add("01", "+1", "-1")
	f.Add("18446744073709551615", "18446744073709551616", "1 ")
	f.Fuzz(func(t *testing.T, session, sequence, acknowledged string) {
		h := http.Header{}
		for name, v := range map[string]string{headerSession: session, headerSequence: sequence, headerAcknowledged: acknowledged} {
			require.Equal(t, name, textproto.CanonicalMIMEHeaderKey(name))
			if v != "" {
				h.Set(name, v)
			}
		}
		c := kv.Command{Kind: kv.Put, Key: []byte("k")}
		if err := parseSession(h, &c); err != nil {
			return
		}
		for v, n := range map[string]uint64{session: c.Session, sequence: c.Sequence} {
			require.True(t, v == "" && n == 0 || v == strconv.FormatUint(n, 10))
		}
		err := c.Validate(&kv.Options{})
		require.Equal(t, c.Acknowledged > c.Sequence, err != nil)
	})
}

func TestParseUint(t *testing.T) {
	for v, want := range map[string]uint64{"0": 0, "1": 1, "18446744073709551615": 1<<64 - 1} {
		n, ok := parseUint(v)
		require.True(t, ok)
		require.Equal(t, want, n)
	}
	for _, v := range []string{"", "00", "01", "+1", "-1", "1 ", " 1", "1_0", "0x1", "18446744073709551616"} {
		_, ok := parseUint(v)
		require.False(t, ok, v)
	}
}
