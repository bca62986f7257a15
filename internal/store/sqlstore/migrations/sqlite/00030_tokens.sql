-- Which profiles changed since what they have was decided, and sessions that are confined to a part of what somebody may do.

-- +goose Up

ALTER TABLE profiles ADD COLUMN undecided_since INTEGER;

CREATE INDEX profiles_undecided ON profiles (tenant, undecided_since, id) WHERE undecided_since IS NOT NULL;

ALTER TABLE sessions ADD COLUMN kind TEXT NOT NULL DEFAULT 'sign-in' CHECK (kind IN ('sign-in', 'token', 'workload'));
ALTER TABLE sessions ADD COLUMN scopes TEXT NOT NULL DEFAULT '[]';
ALTER TABLE sessions ADD COLUMN issued_by_issuer TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN issued_by_subject TEXT NOT NULL DEFAULT '';
