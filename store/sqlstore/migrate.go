package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

var (
	// ErrSchema means that the tables are missing or have another version. The text names the case and the cure.
	ErrSchema = errors.New("sqlstore: the tables do not fit")

	// ErrNoTables is the ErrSchema of a database without any of the tables.
	ErrNoTables = fmt.Errorf("%w: there are none", ErrSchema)

	// ErrForeignTables is the ErrSchema of tables that have Postern's names and not its columns, or of which some are
	// gone. No migration helps: use another database or schema, or restore the tables from a backup.
	ErrForeignTables = fmt.Errorf("%w: there is a table postern_schema, but the tables that it stands for are not those of Postern", ErrSchema)
)

// current is the version of the tables this code wants. oldest is the oldest version of the code that still works with
// them: it stays behind current as long as migrations only add what older code does not need to know, so that
// binaries of both ages can serve while a new one is rolled out, and rolled back.
const (
	current = 2
	oldest  = 1
)

// Schema returns the statements that make the tables in an empty database. Run them in one transaction, before an
// Open with SkipMigrations. It is empty for an unknown dialect. The command "postern migrate --print" prints it.
func Schema(name Dialect) string {
	d, err := dialectOf(name)
	if err != nil {
		return ""
	}
	return d.statements(0)
}

// Upgrade returns the statements that change the tables from an older version to the newest. Run them in one
// transaction, before you start programs that Open with SkipMigrations. The table postern_schema has the version of a
// database. If the tables have another version than from, the statements fail. From 0, an empty database, they are
// those of [Schema]; from the newest version there are none. A version that does not exist is an error, and so is an
// unknown dialect. The command "postern migrate --print --from" prints them.
func Upgrade(name Dialect, from int) (string, error) {
	d, err := dialectOf(name)
	if err != nil {
		return "", err
	}
	if from < 0 || from > current {
		return "", fmt.Errorf("sqlstore: no upgrade from version %d: the tables have had the versions 1 to %d, and 0 is an empty database", from, current)
	}
	return d.statements(from), nil
}

// statements bring the tables from a version to the newest. What a person runs by hand is what Open runs.
func (d *dialect) statements(from int) string {
	if from == current {
		return ""
	}
	var b strings.Builder
	files := d.migrations()
	if from > 0 {
		files = files[from+1:]
		fmt.Fprintf(&b, "-- From version %[1]d to %[2]d. The first statement fails on tables of another version: version may not be NULL.\nUPDATE postern_schema SET version = CASE version WHEN %[1]d THEN version END;\n\n", from, current)
	}
	for _, file := range files {
		fmt.Fprintf(&b, "%s\n\n", strings.TrimSpace(file))
	}
	if from == 0 {
		fmt.Fprintf(&b, "INSERT INTO postern_schema (id, version, oldest) VALUES (1, %d, %d);\n", current, oldest)
	} else {
		fmt.Fprintf(&b, "UPDATE postern_schema SET version = %d, oldest = %d;\n", current, oldest)
	}
	return b.String()
}

// migrations returns the files in order; the file at place n, beginning with 1, brings version n-1 to n. The first
// makes the table that holds the version.
func (d *dialect) migrations() []string {
	entries, err := schemaFiles.ReadDir(d.folder)
	if err != nil {
		panic(err) // embedded by the compiler
	}
	var files []string
	for _, entry := range entries { // sorted by name
		text, err := schemaFiles.ReadFile(d.folder + "/" + entry.Name())
		if err != nil {
			panic(err)
		}
		files = append(files, string(text))
	}
	return files
}

// Tables is the state of the tables of a database.
type Tables struct {
	// Version is the version of the tables; 0: there are none.
	Version int

	// Oldest is the oldest version of the code that works with the tables; 0: there are none.
	Oldest int

	// Newest is the version that this code makes.
	Newest int
}

// Fit reports whether this code works with the tables. The error matches [ErrSchema].
func (t Tables) Fit() error {
	switch {
	case t.Version == 0:
		return fmt.Errorf("%w; Open without SkipMigrations, or run: postern migrate", ErrNoTables)
	case t.Version < t.Newest:
		return fmt.Errorf("%w: they are of version %d, and %d is needed; Open without SkipMigrations, or run: postern migrate", ErrSchema, t.Version, t.Newest)
	case t.Oldest > t.Newest:
		return fmt.Errorf("%w: version %d needs a Postern that knows version %d, and this one knows %d; upgrade it", ErrSchema, t.Version, t.Oldest, t.Newest)
	}
	return nil
}

// Inspect reads the state of the tables and changes nothing. It uses DB and Dialect of the configuration.
func Inspect(ctx context.Context, c Config) (Tables, error) {
	s, err := without(c)
	if err != nil {
		return Tables{}, err
	}
	defer s.Close()
	return s.tables(ctx)
}

// Migrate makes or upgrades the tables, as Open does, and returns the version that they had before. Of several calls at
// the same time one does it; the others wait, and return the version that it made. Tables of a newer version stay as
// they are. Migrate uses DB and Dialect of the configuration.
func Migrate(ctx context.Context, c Config) (from int, err error) {
	s, err := without(c)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	return s.migrate(ctx)
}

// migrate brings the tables to the current version, in one transaction: of several processes one does it, and the
// others wait and find it done. It leaves tables of a newer version alone.
func (s *Store) migrate(ctx context.Context) (from int, err error) {
	switch version, _, err := s.version(ctx, autocommit{s}); {
	case errors.Is(err, ErrForeignTables):
		return 0, err
	case err == nil && version >= current:
		return version, nil // without taking the write lock at every start
	}
	err = s.transact(ctx, func(on runner) error {
		if s.dialect.migrationLock != "" {
			if _, err := on.exec(ctx, s.dialect.migrationLock); err != nil {
				return err
			}
		}
		if err := runScript(ctx, on, s.dialect.migrations()[0]); err != nil { // so that the version can be asked for
			return err
		}
		from, _, err = s.version(ctx, on)
		if err != nil || from >= current {
			return err
		}
		return runScript(ctx, on, s.dialect.statements(from))
	})
	if err != nil {
		return 0, failed("making the tables (with SkipMigrations, postern migrate --print prints the statements to run yourself)", err)
	}
	return from, nil
}

// runScript runs a file statement by statement, for not every driver takes several at once. A statement ends with a
// semicolon at the end of a line.
func runScript(ctx context.Context, on runner, script string) error {
	for statement := range strings.SplitSeq(script, ";\n") {
		lines := strings.Split(statement, "\n")
		lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "--") })
		if statement = strings.TrimSpace(strings.Join(lines, "\n")); statement == "" {
			continue
		}
		if _, err := on.exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// checkSchema fails unless this code can work with the tables.
func (s *Store) checkSchema(ctx context.Context) error {
	found, err := s.tables(ctx)
	if err != nil {
		return err
	}
	return found.Fit()
}

func (s *Store) tables(ctx context.Context) (Tables, error) {
	found := Tables{Newest: current}
	err := s.reading(ctx, func() (err error) {
		found.Version, found.Oldest, err = s.version(ctx, autocommit{s})
		return err
	})
	if errors.Is(err, ErrForeignTables) {
		return Tables{}, err
	}
	if err != nil && (ctx.Err() != nil || !s.dialect.missing(err)) {
		return Tables{}, failed("reading the version of the tables", err)
	}
	return found, nil
}

func foreign(table string) error {
	return fmt.Errorf("%w (look at %s): use another database or schema, or restore the tables from a backup", ErrForeignTables, table)
}

// version returns the version of the tables, 0 when there are none yet, and the oldest version of the code that works
// with them. It believes the number only if the tables are there. The error is ErrForeignTables if they are not.
func (s *Store) version(ctx context.Context, on runner) (version, needs int, err error) {
	const table = "postern_schema"
	var scanned error
	err = s.rows(ctx, on, "SELECT version, oldest FROM "+table+" WHERE id = 1", nil, func(rows *sql.Rows) error {
		scanned = rows.Scan(&version, &needs)
		return scanned
	})
	switch {
	case scanned != nil, err != nil && s.dialect.otherShape(err):
		return 0, 0, foreign(table)
	case err != nil || version == 0 && needs == 0:
		return 0, 0, err
	case version < 1 || needs < 1 || needs > version:
		return 0, 0, foreign(table)
	case needs > current: // they may have columns that this code does not know
		return version, needs, nil
	}
	for table, columns := range map[string]string{"postern_items": "part, id, value, expires_ms, version", "postern_counters": "part, id, n, expires_ms"} {
		err := s.rows(ctx, on, "SELECT "+columns+" FROM "+table+" WHERE 1 = 0", nil, func(*sql.Rows) error { return nil })
		if err != nil && (s.dialect.missing(err) || s.dialect.otherShape(err)) { // another error, such as no right to read, shows nothing
			return 0, 0, foreign(table)
		}
	}
	return version, needs, nil
}
