package plan

// Stream is a source of random numbers: SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators",
// OOPSLA 2014). Each part of the world has its own, split from the seed by the part's name and number, so that drawing one more
// number in one part changes nothing in the others.
type Stream struct{ state uint64 }

const goldenGamma = 0x9e3779b97f4a7c15

// NewStream splits the stream of one part off the seed.
func NewStream(seed uint64, part string, number uint64) *Stream {
	h := mix(seed + goldenGamma)
	for _, c := range []byte(part) {
		h = mix(h ^ uint64(c) + goldenGamma)
	}
	return &Stream{mix(h ^ number*goldenGamma)}
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Next returns 64 random bits.
func (s *Stream) Next() uint64 {
	s.state += goldenGamma
	return mix(s.state)
}

// Below returns a number in [0, n); 0 for n below 1. The bias is below n in 2^64.
func (s *Stream) Below(n int) int {
	if n < 1 {
		return 0
	}
	return int(s.Next() % uint64(n))
}

// Between returns a number in [least, most].
func (s *Stream) Between(least, most int64) int64 {
	if most <= least {
		return least
	}
	return least + int64(s.Next()%uint64(most-least+1))
}

// Hit is true in ppm of a million cases. It draws a number in any case: what is switched off must not shift what comes after.
func (s *Stream) Hit(ppm int) bool { return s.Below(1_000_000) < ppm }

// Read fills b, so that a stream can stand in for crypto/rand.Reader. It never fails.
func (s *Stream) Read(b []byte) (int, error) {
	for i := 0; i < len(b); i += 8 {
		v := s.Next()
		for j := i; j < len(b) && j < i+8; j++ {
			b[j] = byte(v)
			v >>= 8
		}
	}
	return len(b), nil
}
