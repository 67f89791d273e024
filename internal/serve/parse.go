package serve

import (
	"reflect"
	"strings"
)

// Parse reads a configuration file. file is its name, for errors. lookup reads a variable of the environment, such as
// os.LookupEnv. It opens nothing and calls nobody. Its error is an *Invalid with every problem.
func Parse(file string, data []byte, lookup func(name string) (string, bool)) (Config, error) {
	c := Config{file: file, lines: map[string]int{}, variables: variables{}}
	var found problems
	if root := readTree(data, &found); root != nil {
		d := decoder{lookup: lookup, problems: &found, lines: c.lines, variables: c.variables}
		d.table(root, "", reflect.ValueOf(&c).Elem())
		c.check(&found)
		c.place()
	}
	c.problems = found
	return c, found.err(file)
}

// place makes the relative names of files ones beside the configuration, so that the working directory never decides
// which ring, database or audit log is used.
func (c *Config) place() {
	c.Store.URL.url = placed(c.file, c.Store.URL.url)
	c.Keys.Vault = placed(c.file, c.Keys.Vault)
	for i, source := range c.Secrets.Sources {
		c.Secrets.Sources[i] = placed(c.file, source)
	}
	if c.Audit.File != "" {
		c.Audit.File = beside(c.file, c.Audit.File)
	}
}

// placed is a location with the name of its file looked up beside the configuration. Others stay as they are.
func placed(file, where string) string {
	scheme, name, _ := strings.Cut(where, ":")
	if name == "" || scheme != "sqlite" && scheme != "file" && scheme != "sealed" {
		return where
	}
	return scheme + ":" + beside(file, name)
}

// line returns the line of a key, or of the nearest table around it.
func (c *Config) line(key string) int {
	for key != "" {
		if n, ok := c.lines[key]; ok {
			return n
		}
		i := len(key) - 1
		for i >= 0 && key[i] != '.' && key[i] != '[' {
			i--
		}
		key = key[:max(i, 0)]
	}
	return 0
}
