//go:build !race

package zones

const slowdown = 1
