-- To whom people report, ISSUER/SUBJECT; empty where the source does not say.

-- +goose Up

ALTER TABLE profiles ADD COLUMN manager TEXT NOT NULL DEFAULT '';
