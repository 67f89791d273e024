package hash

import (
	"crypto/rand"
	"fmt"
	"io"
	"runtime"
)

// Config of a [Hasher]. The zero value works.
type Config struct {
	// MemoryMiB is the memory of the process or function in MiB, at least 64. The package reads no environment: on AWS
	// Lambda pass the number in AWS_LAMBDA_FUNCTION_MEMORY_SIZE. An eighth of it is for hashes that run at the same
	// time; it decides which of four settings of equal strength is used for new passwords, from 19 MiB and 2 passes to
	// 7 MiB and 5 passes. An imported hash may take a quarter of it.
	//
	// Defaults to 512.
	MemoryMiB int

	// Parallel is how many hashes run at the same time.
	//
	// Defaults to GOMAXPROCS, or fewer where the memory does not suffice.
	Parallel int

	// Queue is how many calls wait for their turn. Calls marked by WithKnown have a queue apart, a quarter as long.
	//
	// Defaults to 16 times Parallel, about a second of work on a fast machine.
	Queue int

	// Imported has one encoded string of each format that the stored passwords have besides this package's, as the
	// Import functions return them. VerifyNone then takes the time of one of these formats or of argon2id, always the
	// same one for the same identifier. A format that many rows have can be given several times. Only the parameters of
	// these strings are used. Needs Key.
	//
	// Defaults to none.
	Imported []string

	// Key is a secret of at least 16 bytes, the same in all processes. It decides which format VerifyNone takes for an
	// identifier. Needed with Imported alone.
	Key []byte

	// Rand is the source of salts.
	//
	// Defaults to crypto/rand.
	Rand io.Reader
}

// setting is an argon2id cost: memory in KiB, and passes. There is always one lane.
type setting struct{ memory, passes int }

// settings are rows of equal strength in the OWASP Password Storage Cheat Sheet, most memory first. New passwords get
// one of these.
var settings = [...]setting{{19456, 2}, {12288, 3}, {9216, 4}, {7168, 5}}

const (
	defaultMemoryMiB = 512
	leastMemoryMiB   = 64 // an eighth of it holds one hash of the last setting
	hashingPart      = 8  // the part of the memory for hashes of new passwords
	importedPart     = 4  // the part of the memory that a single imported hash may take
)

// choose returns the setting with the most memory of which parallel hashes fit into budget KiB.
func choose(parallel, budget int) (setting, bool) {
	for _, s := range settings {
		if parallel*s.memory <= budget {
			return s, true
		}
	}
	return setting{}, false
}

// New returns a Hasher. It fails on a configuration that cannot work.
func New(c Config) (*Hasher, error) {
	if c.MemoryMiB == 0 {
		c.MemoryMiB = defaultMemoryMiB
	}
	if c.MemoryMiB < leastMemoryMiB || c.MemoryMiB > 1<<20 {
		return nil, fmt.Errorf("hash: Config.MemoryMiB is %d: give the memory of the process, from %d to %d MiB", c.MemoryMiB, leastMemoryMiB, 1<<20)
	}
	if c.Parallel < 0 || c.Parallel > 1024 || c.Queue < 0 || c.Queue > 1<<16 {
		return nil, fmt.Errorf("hash: Config.Parallel is %d and Config.Queue is %d: choose from 1 to 1024 and from 1 to 65536, or 0 for the default", c.Parallel, c.Queue)
	}
	budget := c.MemoryMiB << 10 / hashingPart
	smallest := settings[len(settings)-1].memory
	if c.Parallel == 0 {
		c.Parallel = min(runtime.GOMAXPROCS(0), budget/smallest)
	}
	own, ok := choose(c.Parallel, budget)
	if !ok {
		return nil, fmt.Errorf("hash: Config.Parallel is %d, and %d MiB of memory are enough for %d: raise MemoryMiB or lower Parallel", c.Parallel, c.MemoryMiB, budget/smallest)
	}
	if c.Queue == 0 {
		c.Queue = 16 * c.Parallel
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	h := &Hasher{
		own:  own,
		most: max(min(c.MemoryMiB<<10/importedPart, maxMemory), settings[0].memory), // each setting can be verified everywhere
		rand: c.Rand,
		gate: newGate(c.Parallel, c.Parallel*own.memory, c.Queue),
	}
	if err := h.prepareNone(c); err != nil {
		return nil, err
	}
	return h, nil
}
