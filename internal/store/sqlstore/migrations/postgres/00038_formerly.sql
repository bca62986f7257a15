-- What people were called before their accounts were linked.

-- +goose Up

ALTER TABLE profiles ADD COLUMN formerly TEXT NOT NULL DEFAULT '[]';
