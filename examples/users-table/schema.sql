CREATE TABLE IF NOT EXISTS people (
	id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	issuer     text NOT NULL,
	subject    text NOT NULL,
	email      text,                     -- proven by the provider, or null; not unique: see users.go
	name       text NOT NULL DEFAULT '',
	created_at timestamptz NOT NULL DEFAULT now(),
	seen_at    timestamptz NOT NULL DEFAULT now(),
	blocked    boolean NOT NULL DEFAULT false,
	UNIQUE (issuer, subject)
);
