package readers

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkJepsen reads a history.edn of 1,000,000 lines on 1,000 keys.
func BenchmarkJepsen(b *testing.B) {
	var file bytes.Buffer
	const format = "#jepsen.history.Op{:index %d, :time %d, :type :%s, :process %d, :f :%s, :value [%d %s]}\n"
	for i := range 500_000 {
		f, asked, got := "write", fmt.Sprint(i), fmt.Sprint(i)
		if i%2 == 0 {
			f, asked, got = "read", "nil", fmt.Sprint(i-1)
		}
		fmt.Fprintf(&file, format, 2*i, i*1000, "invoke", i%20, f, i/2%1000, asked)
		fmt.Fprintf(&file, format, 2*i+1, i*1000+500, "ok", i%20, f, i/2%1000, got)
	}
	b.SetBytes(int64(file.Len()))
	b.ReportAllocs()
	for b.Loop() {
		h, err := Read(bytes.NewReader(file.Bytes()), Options{Format: "auto"})
		if err != nil || len(h.Operations) != 500_000 {
			b.Fatal(err)
		}
	}
}
